import 'reflect-metadata';
import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog, silentLog } from '../../lib/log.ts';
import { readSvid } from '../../lib/svid.ts';
import { makeLeaf, makeRoot } from '../../test/harness/certs.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store, Vault } from '../store/store.ts';
import type { SignOptions } from './authority.ts';
import { type OpenAuthority, openAuthority } from './issuer.ts';
import { openSealer } from './sealed.ts';
import { caKey, decodeState, openCa } from './state.ts';

const trustDomain = 'weft.test';
const secret = Buffer.from('a secret of the test, long enough');
const b = { trustDomain, namespace: 'a', service: 'b' };
const day = 86_400_000;

let dir: string;
let store: Store;
let clock: ManualClock;
let authority: OpenAuthority;
let lines: Record<string, unknown>[];
const open = (options: { vault?: Vault; secret?: Uint8Array; trustDomain?: string } = {}): Promise<OpenAuthority> =>
  openAuthority({
    vault: store.vault,
    secret,
    trustDomain,
    clock,
    log: jsonLog({ write: (line) => void lines.push(JSON.parse(line)) }),
    ...options,
  });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-ca-'));
  clock = manualClock(Date.now());
  lines = [];
  store = await openEmbeddedStore({ dir, clock, log: silentLog });
  authority = await open();
});
afterEach(async () => {
  await authority.close();
  await store.close();
  await rm(dir, { recursive: true });
});

const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
async function makeCsr(
  given: {
    name?: string;
    sans?: x509.JsonGeneralNames;
    keys?: webcrypto.CryptoKeyPair;
    extensions?: x509.Extension[];
  } = {},
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams = p256,
): Promise<Uint8Array> {
  const keys =
    given.keys ??
    ((await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair);
  const extensions = [...(given.extensions ?? [])];
  if (given.sans !== undefined) extensions.push(new x509.SubjectAlternativeNameExtension(given.sans));
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: given.name ?? '',
    keys,
    signingAlgorithm: { ...algorithm, hash: 'SHA-256' },
    extensions,
  });
  return new Uint8Array(csr.rawData);
}
const issue = async (csr?: Uint8Array, options?: SignOptions) => authority.sign(csr ?? (await makeCsr()), b, options);
const textOf = (der: Uint8Array) => new X509Certificate(der);

test('a leaf has the profile of X509-SVID and a path to the root', async () => {
  const { chain, roots, spiffeId, notAfter } = await issue();
  const [leaf, intermediate] = chain.map(textOf);
  expect(readSvid(chain[0]!)).toMatchObject({ spiffeId: 'spiffe://weft.test/ns/a/sa/b' });
  expect(spiffeId).toBe('spiffe://weft.test/ns/a/sa/b');
  expect(leaf!.validToDate.getTime()).toBe(notAfter);
  expect(clock.wall() - leaf!.validFromDate.getTime()).toBeGreaterThanOrEqual(30_000);
  expect(notAfter - clock.wall()).toBeLessThanOrEqual(day);
  expect(leaf!.verify(intermediate!.publicKey)).toBe(true);
  expect(intermediate!.verify(textOf(roots[0]!).publicKey)).toBe(true);
  expect(authority.verifyPeer(chain[0]!, [])).toEqual(b);
  const extensions = new x509.X509Certificate(new Uint8Array(chain[0]!)).extensions;
  const critical = extensions.filter((extension) => extension.critical).map((extension) => extension.type);
  expect(critical.sort()).toEqual(['2.5.29.15', '2.5.29.17', '2.5.29.19']);
  expect(authority.rootExpires() - clock.wall()).toBeGreaterThan(3600 * day);
});

test('CA-SERIAL: serials are long, positive and never the same', async () => {
  const serials = new Set<string>();
  const csr = await makeCsr();
  for (let i = 0; i < 20; i++) serials.add(textOf((await issue(csr)).chain[0]!).serialNumber);
  expect(serials.size).toBe(20);
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
});

test('CA-TTL: the life of a leaf is at most a day, whatever is asked', async () => {
  const csr = await makeCsr();
  for (const ttlMs of [0, -5, Number.NaN, Number.POSITIVE_INFINITY, 10 * 365 * day])
    expect((await issue(csr, { ttlMs })).notAfter - clock.wall()).toBeGreaterThan(day - 2000);
  expect((await issue(csr, { ttlMs: 3_600_000 })).notAfter - clock.wall()).toBeLessThanOrEqual(3_600_000);
});

describe('a request is refused', () => {
  const refusal = async (csr: Uint8Array) => {
    const code = await authority.sign(csr, b, { requester: 'somebody' }).then(
      () => 'issued',
      (thrown: { code: string }) => thrown.code,
    );
    if (code !== 'issued')
      expect(lines.at(-1)).toMatchObject({ event: 'ca.certificate-refused', requester: 'somebody', level: 'warn' });
    return code;
  };

  test('CA-SAN-OTHER, CA-SAN-EXTRA: when it names somebody else', async () => {
    const own = { type: 'url' as const, value: 'spiffe://weft.test/ns/a/sa/b' };
    const other = { type: 'url' as const, value: 'spiffe://weft.test/ns/a/sa/admin' };
    expect(await refusal(await makeCsr({ sans: [own], name: 'CN=b' }))).toBe('issued');
    expect(await refusal(await makeCsr({ sans: [other] }))).toBe('PERMISSION_DENIED');
    expect(await refusal(await makeCsr({ sans: [own, other] }))).toBe('PERMISSION_DENIED');
    expect(await refusal(await makeCsr({ sans: [own, { type: 'dns', value: 'b' }] }))).toBe('PERMISSION_DENIED');
    expect(await refusal(await makeCsr({ sans: [{ type: 'ip', value: '10.0.0.1' }] }))).toBe('PERMISSION_DENIED');
    expect(await refusal(await makeCsr({ sans: [{ type: 'email', value: 'a@b.c' }] }))).toBe('PERMISSION_DENIED');
    expect(await refusal(await makeCsr({ name: 'CN=admin' }))).toBe('PERMISSION_DENIED');
  });

  test('CA-CSR-SIG: when its signature is not by its key', async () => {
    const csr = await makeCsr();
    csr[csr.length - 1]! ^= 1;
    expect(await refusal(csr)).toBe('INVALID_CSR');
    // Somebody else's public key in a request that was signed with one's own.
    const [mine, theirs] = [await makeCsr(), await makeCsr()].map((bytes) => Buffer.from(bytes));
    const keyOf = (bytes: Buffer) => Buffer.from(new x509.Pkcs10CertificateRequest(bytes).publicKey.rawData);
    const forged = Buffer.from(mine!);
    keyOf(theirs!).copy(forged, forged.indexOf(keyOf(mine!)));
    expect(await refusal(forged)).toBe('INVALID_CSR');
  });

  test('CA-CSR-KEY: when its key is weak, odd or the CA’s own', async () => {
    const rsa = (modulusLength: number, exponent = [1, 0, 1]): webcrypto.RsaHashedKeyGenParams => ({
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength,
      publicExponent: Uint8Array.from(exponent),
      hash: 'SHA-256',
    });
    expect(await refusal(await makeCsr({}, rsa(1024)))).toBe('INVALID_CSR');
    expect(await refusal(await makeCsr({}, rsa(2048, [3])))).toBe('INVALID_CSR');
    expect(await refusal(await makeCsr({}, { name: 'ECDSA', namedCurve: 'P-521' }))).toBe('INVALID_CSR');
    const state = decodeState((await store.vault.get(caKey))!.value);
    const sealer = await openSealer(secret, Buffer.from(state.salt, 'base64'));
    const { cert, pkcs8 } = openCa(sealer, trustDomain, state.roots[0]!);
    const privateKey = await webcrypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), p256, false, ['sign']);
    const publicKey = await new x509.X509Certificate(new Uint8Array(cert)).publicKey.export();
    expect(await refusal(await makeCsr({ keys: { privateKey, publicKey } }))).toBe('INVALID_CSR');
    expect(lines.at(-1)?.problem).toBe('this key belongs to somebody else');
    expect(await refusal(await makeCsr({}, rsa(2048)))).toBe('issued');
    expect(await refusal(await makeCsr({}, { name: 'ECDSA', namedCurve: 'P-384' }))).toBe('issued');
    expect(await refusal(await makeCsr({}, { name: 'Ed25519', namedCurve: '' }))).toBe('issued');
  });

  test('CA-CSR-GARBAGE: when it is anything but one request in DER', async () => {
    const csr = await makeCsr();
    const pem = Buffer.from(new x509.Pkcs10CertificateRequest(new Uint8Array(csr)).toString('pem'));
    const trailing = Buffer.concat([csr, Uint8Array.of(0)]);
    for (const bytes of [new Uint8Array(), new Uint8Array(2 ** 20), pem, trailing, randomBytes(500)])
      expect(await refusal(bytes)).toBe('INVALID_CSR');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await refusal(bytes)).toBe('INVALID_CSR');
      }),
      { numRuns: 100 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(csr.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bent = Uint8Array.from(csr);
        bent[at]! ^= flip;
        expect(['INVALID_CSR', 'PERMISSION_DENIED']).toContain(await refusal(bent));
      }),
      { numRuns: 200 },
    );
  });

  test('when the identity is of another trust domain, or the control plane’s', async () => {
    const csr = await makeCsr();
    await expect(authority.sign(csr, { ...b, trustDomain: 'other' })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    const own = { trustDomain, namespace: 'weft', service: 'control-plane' };
    await expect(authority.sign(csr, own)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

test('CA-CSR-EXT: extensions of the request never reach the certificate', async () => {
  const csr = await makeCsr({
    extensions: [
      new x509.BasicConstraintsExtension(true, 3, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
    ],
  });
  const { chain } = await issue(csr);
  expect(readSvid(chain[0]!)).toMatchObject({ spiffeId: 'spiffe://weft.test/ns/a/sa/b' });
  expect(textOf(chain[0]!).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
});

test('every certificate is in the audit log, with its hash and who asked', async () => {
  const { chain } = await issue(undefined, { requester: 'join from 10.0.0.7' });
  expect(lines.at(-1)).toMatchObject({
    event: 'ca.certificate-issued',
    spiffeId: 'spiffe://weft.test/ns/a/sa/b',
    serial: textOf(chain[0]!).serialNumber.toLowerCase(),
    sha256: createHash('sha256').update(chain[0]!).digest('hex'),
    requester: 'join from 10.0.0.7',
  });
});

test('the control plane that comes back is the same authority, and so is a second one', async () => {
  const { chain } = await issue();
  await authority.close();
  await store.close();
  store = await openEmbeddedStore({ dir, clock, log: silentLog });
  authority = await open();
  expect(authority.verifyPeer(chain[0]!, [])).toEqual(b);
});

test('control planes that start at once on an empty store end with one CA', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'weft-ca-'));
  const other = await openEmbeddedStore({ dir: empty, clock, log: silentLog });
  const all = await Promise.all([1, 2, 3].map(() => open({ vault: other.vault })));
  const roots = new Set(all.map((one) => Buffer.from(one.roots()[0]!).toString('hex')));
  expect(roots.size).toBe(1);
  await Promise.all(all.map((one) => one.close()));
  await other.close();
  await rm(empty, { recursive: true });
});

test('CA-KEYSTORE: no key lies in clear in the store, and another secret does not open it', async () => {
  await expect(open({ secret: Buffer.from('another secret, long enough') })).rejects.toThrow(
    'encrypted with another key: start with the key file',
  );
  await expect(open({ trustDomain: 'other.test' })).rejects.toThrow('trust domain weft.test, not other.test');
  const state = JSON.parse(Buffer.from((await store.vault.get('ca/authority'))!.value).toString());
  // What every PKCS #8 key on P-256 has in it: the algorithm and curve.
  const clear = Buffer.from('06072a8648ce3d020106082a8648ce3d030107', 'hex');
  expect(Buffer.from(state.roots[0].cert, 'base64').includes(clear)).toBe(true);
  expect(Buffer.from(state.roots[0].key, 'base64').includes(clear)).toBe(false);
  expect(Buffer.from(state.intermediates[0].key, 'base64').includes(clear)).toBe(false);
  for (const file of await readdir(dir)) expect((await readFile(join(dir, file))).includes('PRIVATE KEY')).toBe(false);
});

test('the issuing certificate is followed by the next one, which signs once everybody can know it', async () => {
  const before = textOf((await issue()).chain[1]!).serialNumber;
  const second = await open();
  const old = await issue();
  clock.advance(340 * day);
  await authority.close();
  await second.close();
  authority = await open();
  expect(lines.map((line) => line.event)).toContain('ca.issuer-created');
  expect(textOf((await issue()).chain[1]!).serialNumber).toBe(before);
  clock.advance(600_000);
  const { chain } = await issue();
  expect(textOf(chain[1]!).serialNumber).not.toBe(before);
  expect(authority.verifyPeer(chain[0]!, [])).toEqual(b);
  expect(() => authority.verifyPeer(old.chain[0]!, [])).toThrow('expired');
});

test('a control plane learns the next issuing certificate of another one without a restart', async () => {
  const second = await open();
  clock.advance(340 * day);
  const third = await open();
  clock.advance(600_000);
  await second.close();
  await authority.close();
  const chainOf = async (one: OpenAuthority) => (await one.sign(await makeCsr(), b)).chain;
  const chain = await chainOf(third);
  expect(second.verifyPeer(chain[0]!, [])).toEqual(b);
  await third.close();
});

test('CA-ISSUER-EXP: without a valid issuer nothing is signed', async () => {
  clock.advance(3651 * day);
  await expect(issue()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a peer is believed only with a certificate of ours, for our trust domain, now', async () => {
  const { chain } = await issue();
  const foreign = await makeLeaf(await makeRoot(), { uris: ['spiffe://weft.test/ns/a/sa/b'] });
  expect(() => authority.verifyPeer(foreign.der, [])).toThrow('untrusted');
  expect(() => authority.verifyPeer(chain[1]!, [])).toThrow('is-ca');
  expect(() => authority.verifyPeer(randomBytes(100), [])).toThrow('malformed');
  clock.advance(-120_000);
  expect(() => authority.verifyPeer(chain[0]!, [])).toThrow('not-yet-valid');
  clock.advance(120_000 + day);
  expect(() => authority.verifyPeer(chain[0]!, [])).toThrow('expired');
});

test('the control plane’s own certificate has its names and its SPIFFE ID', async () => {
  const { certPem, keyPem } = await authority.issueServer(['localhost', '127.0.0.1', '::1']);
  const cert = new X509Certificate(certPem);
  expect(cert.checkHost('localhost')).toBe('localhost');
  expect(cert.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(readSvid(cert.raw)).toMatchObject({ spiffeId: 'spiffe://weft.test/ns/weft/sa/control-plane' });
  expect(keyPem).toContain('PRIVATE KEY');
  await expect(authority.issueServer(['a b'])).rejects.toThrow("'a b' is neither a host name");
});
