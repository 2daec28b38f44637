import 'reflect-metadata';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog, silentLog } from '../../lib/log.ts';
import { readSvid } from '../../lib/svid.ts';
import { makeLeaf, makeRoot } from '../../test/harness/certs.ts';
import { makeCsr } from '../../test/harness/csr.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store, Vault } from '../store/store.ts';
import type { SignOptions } from './authority.ts';
import { type OpenAuthority, openAuthority } from './issuer.ts';
import { Sealers } from './sealed.ts';

const trustDomain = 'weft.test';
const sealers = new Sealers(Buffer.from('a secret of the test, long enough'));
const b = { trustDomain, namespace: 'a', service: 'b' };
const day = 86_400_000;

let dir: string;
let store: Store;
let clock: ManualClock;
let authority: OpenAuthority;
let lines: Record<string, unknown>[];
const open = (options: { vault?: Vault; sealers?: Sealers; trustDomain?: string } = {}): Promise<OpenAuthority> =>
  openAuthority({
    vault: store.vault,
    sealers,
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
  await expect(open({ sealers: new Sealers(Buffer.from('another secret, long enough')) })).rejects.toThrow(
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
