import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import {
  type CertOptions,
  makeIntermediate,
  makeLeaf,
  makeRoot,
  purposes,
  rawExtension,
  type TestCert,
  usages,
} from '../test/harness/certs.ts';
import { tags, writeDer } from './der.ts';
import { chainProblem, fromPem, keyHash, readSvid, toPem } from './svid.ts';

const id = 'spiffe://weft.test/ns/a/sa/b';
let root: TestCert;
beforeAll(async () => {
  root = await makeRoot();
});

/** A SAN extension around names that no honest library would write. */
const sanOf = (...names: readonly [tag: number, text: string][]) =>
  rawExtension(
    '2.5.29.17',
    true,
    new Uint8Array(writeDer(tags.sequence, ...names.map(([tag, text]) => writeDer(tag, Buffer.from(text, 'latin1'))))),
  );

test('a good leaf proves its identity', async () => {
  const leaf = await makeLeaf(root, { uris: [id], dns: ['b.a.mesh'] });
  expect(readSvid(leaf.der)).toEqual({
    spiffeId: id,
    identity: { trustDomain: 'weft.test', namespace: 'a', service: 'b' },
  });
});

const refused: readonly [name: string, options: CertOptions, reason: string][] = [
  ['MTLS-2URI: two URI names', { uris: [id, id] }, 'many-uri-sans'],
  ['MTLS-URI-FOREIGN: a URI of another scheme', { uris: ['https://x'] }, 'not-spiffe'],
  ['MTLS-ROOTPATH: a trust domain alone', { uris: ['spiffe://weft.test/'] }, 'not-spiffe'],
  ['MTLS-CA-LEAF: a CA as a leaf', { uris: [id], ca: true }, 'is-ca'],
  ['MTLS-CA-LEAF: keyCertSign', { uris: [id], keyUsage: usages.digitalSignature | usages.keyCertSign }, 'key-usage'],
  ['MTLS-CA-LEAF: cRLSign', { uris: [id], keyUsage: usages.digitalSignature | usages.cRLSign }, 'key-usage'],
  ['MTLS-NODIGSIG: no digitalSignature', { uris: [id], keyUsage: usages.keyAgreement }, 'key-usage'],
  ['MTLS-NODIGSIG: no key usage', { uris: [id], keyUsage: null }, 'key-usage'],
  ['MTLS-EKU: server only', { uris: [id], extKeyUsage: [purposes.serverAuth] }, 'extended-key-usage'],
  ['MTLS-EKU: code signing', { uris: [id], extKeyUsage: [purposes.codeSigning] }, 'extended-key-usage'],
  ['MTLS-CN-ONLY: the ID as a common name', { subject: `CN=${id}` }, 'no-uri-san'],
  ['MTLS-DNS-INJECT: a DNS name that prints as a URI', { dns: [`a, URI:${id}`] }, 'no-uri-san'],
  ['MTLS-NUL-SAN: a NUL in the ID', { extensions: [sanOf([0x86, `${id}\0.evil`])] }, 'not-spiffe'],
  ['octets above ASCII', { extensions: [sanOf([0x86, `${id}\xe9`])] }, 'not-spiffe'],
  ['a second SAN extension', { uris: [id], extensions: [sanOf([0x86, id])] }, 'malformed'],
  [
    'a critical extension that nobody here knows',
    { uris: [id], extensions: [rawExtension('1.2.3.4', true, Uint8Array.of(5, 0))] },
    'critical-extension',
  ],
  ...[
    'WEFT.test/ns/a/sa/b',
    'weft.test/ns/a/../b',
    'weft.test/ns//sa/b',
    'weft.test/ns/a/sa/b/',
    'weft.test/ns/%61/sa/b',
  ]
    .concat(['weft.test/ns/a/sa/b?q', 'weft.test/ns/a/sa/b#f', 'u@weft.test/ns/a/sa/b', 'weft.test:443/ns/a/sa/b'])
    .concat([`weft.test/ns/a/sa/${'b'.repeat(2049)}`])
    .map((rest): [string, CertOptions, string] => [
      `MTLS-ID-SYNTAX: ${rest.slice(0, 40)}`,
      { uris: [`spiffe://${rest}`] },
      'not-spiffe',
    ]),
];

test.each(refused)('%s is refused', async (_name, options, reason) => {
  const leaf = await makeLeaf(root, options);
  expect(readSvid(leaf.der)).toEqual({ reason });
});

test('an extension without basic constraints is no CA, and an absent purpose allows all', async () => {
  const leaf = await makeLeaf(root, { uris: [id], ca: null, extKeyUsage: null });
  expect(readSvid(leaf.der)).toMatchObject({ spiffeId: id });
});

test('bytes of any kind never throw', async () => {
  const { der } = await makeLeaf(root, { uris: [id] });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      expect(readSvid(bytes)).toEqual({ reason: 'malformed' });
      expect(chainProblem(bytes, [bytes], [bytes], 0)).toBe('malformed');
    }),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bent = Uint8Array.from(der);
      bent[at]! ^= flip;
      readSvid(bent);
      expect(chainProblem(bent, [], [root.der], Date.now())).toBeDefined();
    }),
    { numRuns: 300 },
  );
  expect(readSvid(Buffer.concat([der, Uint8Array.of(0)]))).toEqual({ reason: 'malformed' });
});

describe('a path to a root', () => {
  const problem = (leaf: TestCert, between: TestCert[], roots: TestCert[] = [root], wall = Date.now()) =>
    chainProblem(
      leaf.der,
      between.map((cert) => cert.der),
      roots.map((cert) => cert.der),
      wall,
    );

  test('leads over an intermediate, whatever else was sent with it', async () => {
    const intermediate = await makeIntermediate(root);
    const stranger = await makeRoot();
    const leaf = await makeLeaf(intermediate, { uris: [id] });
    expect(problem(leaf, [stranger, intermediate])).toBeUndefined();
    expect(problem(leaf, [])).toBe('untrusted');
    expect(problem(leaf, [intermediate], [stranger])).toBe('untrusted');
    expect(problem(leaf, [intermediate], [])).toBe('untrusted');
  });

  test('MTLS-EXPIRED, MTLS-FUTURE: ends at its times, without leeway', async () => {
    expect(problem(await makeLeaf(root, { uris: [id], notAfter: -1000 }), [])).toBe('expired');
    expect(problem(await makeLeaf(root, { uris: [id], notBefore: 60_000 }), [])).toBe('not-yet-valid');
    const old = await makeIntermediate(root, { notAfter: -1000 });
    expect(problem(await makeLeaf(old, { uris: [id] }), [old])).toBe('untrusted');
  });

  test('MTLS-LEAF-SIGNS, MTLS-PATHLEN: no leaf signs, and no CA below the allowed depth', async () => {
    const leaf = await makeLeaf(root, { subject: 'CN=leaf', uris: [id] });
    expect(problem(await makeLeaf(leaf, { uris: [id] }), [leaf])).toBe('untrusted');
    const flat = await makeRoot({ pathLength: 0 });
    const intermediate = await makeIntermediate(flat);
    expect(problem(await makeLeaf(intermediate, { uris: [id] }), [intermediate], [flat])).toBe('untrusted');
    const noSign = await makeIntermediate(root, { keyUsage: usages.digitalSignature });
    expect(problem(await makeLeaf(noSign, { uris: [id] }), [noSign])).toBe('untrusted');
  });

  test('a root of the same name with another key is another root', async () => {
    const twin = await makeRoot();
    expect(problem(await makeLeaf(twin, { uris: [id] }), [])).toBe('untrusted');
  });
});

test('PEM and DER are the same certificates', async () => {
  const intermediate = await makeIntermediate(root);
  const ders = [intermediate.der, root.der];
  expect(fromPem(toPem(ders)).map((der) => Buffer.from(der).toString('hex'))).toEqual(
    ders.map((der) => Buffer.from(der).toString('hex')),
  );
  expect(() => fromPem('nothing here')).toThrow('no certificate');
  expect(keyHash(root.der)).toHaveLength(32);
  expect(new X509Certificate(root.der).subject).toBe('CN=test root');
});
