import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { fromPem } from '../../lib/svid.ts';
import { type CertOptions, makeIntermediate, makeLeaf, makeRoot, type TestCert } from '../../test/harness/certs.ts';
import { contextOptions } from './contexts.ts';
import { makeCredentials } from './make-credentials.ts';
import { checkPeer, spiffeOf } from './verify.ts';

const web = 'spiffe://weft.test/ns/a/sa/web';
const cart = 'spiffe://weft.test/ns/a/sa/cart';
const credentialsOf = (leaf: TestCert, root: TestCert) =>
  makeCredentials({ chain: fromPem(leaf.chainPem), keyPem: leaf.keyPem, roots: [root.der] }, Date.now());

let root: TestCert;
let issuer: TestCert;
let server: Server;
/** What the callee decided about each connection, in order. */
let verdicts: ReturnType<typeof checkPeer>[];
let received: string;

beforeAll(async () => {
  root = await makeRoot();
  issuer = await makeIntermediate(root);
});
beforeEach(async () => {
  verdicts = [];
  received = '';
  const { certPem, keyPem, rootsPem } = credentialsOf(await makeLeaf(issuer, { uris: [cart] }), root);
  const options = { ...contextOptions(certPem, keyPem, rootsPem), requestCert: true, rejectUnauthorized: true };
  server = createServer(options, (socket) => {
    socket.on('error', () => socket.destroy());
    const verdict = checkPeer(socket.getPeerX509Certificate(), undefined, 'weft.test');
    verdicts.push(verdict);
    if ('reason' in verdict) return socket.destroy();
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
    });
    socket.end(verdict.spiffeId);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  await once(server, 'close');
});
const port = () => (server.address() as AddressInfo).port;

/** Connects as a caller does and gives what came back, or the code of what ended it. */
async function call(options: ConnectionOptions, expected = cart): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: port(), checkServerIdentity: () => undefined, ...options });
  let answer = '';
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
    });
    socket.on('secureConnect', () => {
      const verdict = checkPeer(socket.getPeerX509Certificate(), expected, 'weft.test');
      if ('reason' in verdict) {
        resolve(verdict.reason);
        socket.destroy();
      } else socket.write('GET / HTTP/1.1\r\n\r\n');
    });
    socket.on('close', () => resolve(answer === '' ? 'closed' : answer));
  });
}
const callWith = (leaf: TestCert, ca = root.pem, expected = cart) =>
  call({ cert: leaf.chainPem, key: leaf.keyPem, ca, minVersion: 'TLSv1.3' }, expected);
const callAs = async (options: CertOptions, by = issuer) => callWith(await makeLeaf(by, { uris: [web], ...options }));

test('both ends learn who the other one is', async () => {
  const { context } = credentialsOf(await makeLeaf(issuer, { uris: [web] }), root);
  expect(await call({ secureContext: context })).toBe(web);
  expect(verdicts).toEqual([{ spiffeId: web }]);
});

test('MTLS-NOCERT: without a certificate nothing that was sent is looked at', async () => {
  expect(await call({ ca: root.pem })).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  expect(verdicts).toEqual([]);
  expect(received).toBe('');
});

test('MTLS-PLAINTEXT: plain HTTP gets no answer', async () => {
  const socket = connectPlain(port(), '127.0.0.1');
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  socket.on('error', () => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: weft.test\r\n\r\n');
  await once(socket, 'close');
  expect(answer).not.toContain('HTTP/');
  expect(verdicts).toEqual([]);
});

test('a certificate of another CA, expired, of the future or from a leaf never gets through the handshake', async () => {
  // Node ends some of them with an alert and some without.
  const refused = /^(ERR_SSL|ECONNRESET|EPIPE|closed)/;
  expect(await callAs({}, await makeRoot())).toMatch(refused);
  expect(await callAs({ notAfter: -1000 })).toMatch(refused);
  expect(await callAs({ notBefore: 3_600_000 })).toMatch(refused);
  const leaf = await makeLeaf(issuer, { subject: 'CN=leaf', uris: [web] });
  expect(await callAs({}, leaf)).toMatch(refused);
  expect(verdicts).toEqual([]);
  expect(received).toBe('');
});

test('what a handshake lets through is still checked by SPIFFE rules', async () => {
  await callAs({ uris: ['spiffe://other.test/ns/a/sa/web'] });
  await callAs({ uris: [web, cart] });
  await callAs({ uris: [], dns: [`a, URI:${web}`] });
  await callAs({ uris: [], subject: `CN=${web}` });
  await callAs({ uris: ['https://x'] });
  expect(verdicts.map((verdict) => 'reason' in verdict && verdict.reason)).toEqual([
    'trust-domain',
    'many-uri-sans',
    'no-uri-san',
    'no-uri-san',
    'not-spiffe',
  ]);
  expect(received).toBe('');
});

test('MTLS-SERVER-SAN: a caller believes only the service that it wanted', async () => {
  const leaf = await makeLeaf(issuer, { uris: [web] });
  expect(await callWith(leaf, root.pem, web)).toBe('other-identity');
  expect(await callWith(leaf, (await makeRoot()).pem)).toBe('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
});

test('MTLS-RESUME: TLS 1.3 with AES-128-GCM, and no session is taken up again', async () => {
  const { context } = credentialsOf(await makeLeaf(issuer, { uris: [web] }), root);
  const open = async (session?: Buffer): Promise<TLSSocket> => {
    const resumed = session === undefined ? {} : { session };
    const options = { host: '127.0.0.1', port: port(), secureContext: context, checkServerIdentity: () => undefined };
    const socket = connect({ ...options, ...resumed });
    socket.on('error', () => socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  const first = await open();
  expect([first.getProtocol(), first.getCipher().name]).toEqual(['TLSv1.3', 'TLS_AES_128_GCM_SHA256']);
  const again = await open(first.getSession());
  expect(again.isSessionReused()).toBe(false);
  first.destroy();
  again.destroy();
  expect(await call({ ca: root.pem, maxVersion: 'TLSv1.2' })).toMatch(/^ERR_SSL/);
});

test('after a renewal new connections see the new certificate', async () => {
  const next = credentialsOf(await makeLeaf(issuer, { uris: [cart], dns: ['second'] }), root);
  server.setSecureContext(contextOptions(next.certPem, next.keyPem, next.rootsPem));
  const { context } = credentialsOf(await makeLeaf(issuer, { uris: [web] }), root);
  const socket = connect({
    host: '127.0.0.1',
    port: port(),
    secureContext: context,
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  const cert = socket.getPeerX509Certificate()!;
  expect(cert.subjectAltName).toContain('second');
  expect(spiffeOf(cert)).toBe(cart);
  socket.destroy();
});

test('nobody is nobody', () => {
  expect(checkPeer(undefined, undefined, 'weft.test')).toEqual({ reason: 'no-certificate' });
});
