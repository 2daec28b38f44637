import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { keyHash } from '../../lib/svid.ts';
import type { IdentityReply } from '../../proto/gen/weft/v1/IdentityReply.ts';
import { weftProto } from '../../proto/load.ts';
import { type CertOptions, makeLeaf, makeRoot, type TestCert } from '../../test/harness/certs.ts';
import { makeKeyRequest } from './csr.ts';
import { startIdentity } from './identity.ts';
import { parseJoinToken } from './issue.ts';

const own = 'spiffe://weft.test/ns/a/sa/b';
const controlPlane = 'spiffe://weft.test/ns/weft/sa/control-plane';

let root: TestCert;
let server: Server | undefined;
let stateDir: string;
beforeAll(async () => {
  root = await makeRoot();
});
beforeEach(async () => {
  stateDir = await mkdtemp(joinPath(tmpdir(), 'weft-issue-'));
});
afterEach(async () => {
  server?.forceShutdown();
  server = undefined;
  await rm(stateDir, { recursive: true });
});

/** A control plane that answers each call to Join as the test says. */
async function startServer(answer: (csr: Buffer) => Promise<IdentityReply>, options: CertOptions = {}) {
  const leaf = await makeLeaf(root, { uris: [controlPlane], ...options });
  const started = new Server();
  server = started;
  started.addService(weftProto().Identity.service, {
    Join: (call: { request: { csr: Buffer } }, callback: (error: Error | null, reply?: IdentityReply) => void) => {
      answer(call.request.csr).then(
        (reply) => callback(null, reply),
        (error: Error) => callback(error),
      );
    },
    Renew: (_call: unknown, callback: (error: Error) => void) => callback(new Error('not in this test')),
  });
  const pair = { cert_chain: Buffer.from(leaf.pem + root.pem), private_key: Buffer.from(leaf.keyPem) };
  const port = await new Promise<number>((resolve, reject) => {
    started.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [pair]), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { host: '127.0.0.1', port };
}

/** Why the answer was not taken. */
async function refusal(address: { host: string; port: number }): Promise<unknown> {
  const token = `weft1.${'A'.repeat(43)}.${keyHash(root.der).toString('base64url')}`;
  const clock = manualClock(Date.now());
  let identity: ReturnType<typeof startIdentity> | undefined;
  const problem = await new Promise((resolve) => {
    const write = (line: string): void => resolve(JSON.parse(line).problem ?? JSON.parse(line).event);
    const random = seededRandom(1);
    identity = startIdentity({ controlPlanes: [address], token, stateDir, clock, random, log: jsonLog({ write }) });
  });
  if (problem !== 'identity.ready') expect(identity!.live.current).toBeUndefined();
  await identity!.close();
  return problem;
}

/** A certificate for the key of a CSR. */
async function signFor(csr: Buffer, spiffeId: string): Promise<Buffer> {
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: '01',
    subject: '',
    issuer: root.cert.subject,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 600_000),
    publicKey: new x509.Pkcs10CertificateRequest(csr).publicKey,
    signingKey: root.keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true),
    ],
  });
  return Buffer.from(cert.rawData);
}

describe('CA-WRONG-CERT: an answer is refused', () => {
  const cases: readonly [string, (csr: Buffer) => Promise<IdentityReply>, string | RegExp][] = [
    ['unless it is right', async (csr) => ({ spiffeId: own, chain: [await signFor(csr, own)] }), 'identity.ready'],
    ['when it has no certificate', async () => ({ spiffeId: own, chain: [] }), 'there is no certificate'],
    [
      'when it is for another key',
      async () => ({ spiffeId: own, chain: [Buffer.from((await makeLeaf(root, { uris: [own] })).der)] }),
      'the certificate belongs to another key',
    ],
    [
      'when it is for another identity than it says',
      async (csr) => ({ spiffeId: own, chain: [await signFor(csr, `${own}x`)] }),
      `the control plane answered with a certificate for ${own}x`,
    ],
    [
      'when it is no SPIFFE identity',
      async (csr) => ({ spiffeId: own, chain: [await signFor(csr, 'https://x')] }),
      'the certificate is no SPIFFE identity: not-spiffe',
    ],
    ['when it is garbage', async () => ({ spiffeId: own, chain: [Buffer.from('garbage')] }), /malformed/],
    [
      'when it is not under its roots',
      async (csr) => ({ spiffeId: own, chain: [await signFor(csr, own)], roots: [] }),
      /untrusted/,
    ],
    ['when it is endless', async () => ({ spiffeId: own, chain: Array(100).fill(Buffer.from(root.der)) }), /too many/],
  ];

  test.each(cases)('%s', async (_name, answer, problem) => {
    const address = await startServer(async (csr) => ({ roots: [Buffer.from(root.der)], ...(await answer(csr)) }));
    const found = await refusal(address);
    if (typeof problem === 'string') expect(found).toBe(problem);
    else expect(found).toMatch(problem);
  });
});

describe('a token is not said to', () => {
  let calls = 0;
  const asked = async (): Promise<IdentityReply> => {
    calls += 1;
    return {};
  };
  afterEach(() => expect(calls).toBe(0));

  test('a workload that plays control plane, though its certificate is of the right CA', async () => {
    expect(await refusal(await startServer(asked, { uris: [own] }))).toContain(`is ${own}, not a control plane`);
  });

  test('a control plane whose certificate has expired', async () => {
    expect(await refusal(await startServer(asked, { notAfter: -1000 }))).toContain('is not believed: expired');
  });

  test('nobody at all', async () => {
    const address = await startServer(asked);
    server!.forceShutdown();
    expect(await refusal(address)).toContain('cannot reach the control plane at 127.0.0.1:');
  });
});

test('a request names nobody and proves its key', async () => {
  const { csr, keyPem } = await makeKeyRequest();
  const read = new x509.Pkcs10CertificateRequest(new Uint8Array(csr));
  expect(await read.verify()).toBe(true);
  expect(read.subject).toBe('');
  expect(read.extensions).toEqual([]);
  expect(keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
});

test('a join token is read with what editors leave around it, and nothing else is one', () => {
  const text = `weft1.${'A'.repeat(43)}.${'B'.repeat(43)}`;
  expect(parseJoinToken(` ${text}\n`)?.text).toBe(text);
  for (const wrong of ['', 'weft1', text.slice(1), `${text}x`, text.replace('weft1', 'weft2'), text.replace('A', '=')])
    expect(parseJoinToken(wrong)).toBeUndefined();
});
