import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { systemClock } from '../../lib/clock.ts';
import { childrenOf, readWhole, tags } from '../../lib/der.ts';
import { jsonLog, silentLog } from '../../lib/log.ts';
import { makeCsr, p256 } from '../../test/harness/csr.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store } from '../store/store.ts';
import { type OpenAuthority, openAuthority } from './issuer.ts';
import { Sealers } from './sealed.ts';
import { caKey, decodeState, openCa, saltOf } from './state.ts';

const trustDomain = 'weft.test';
const sealers = new Sealers(Buffer.from('a secret of the test, long enough'));
const b = { trustDomain, namespace: 'a', service: 'b' };

let dir: string;
let store: Store;
let authority: OpenAuthority;
const lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-csr-'));
  const clock = systemClock;
  store = await openEmbeddedStore({ dir, clock, log: silentLog });
  const log = jsonLog({ write: (line) => void lines.push(JSON.parse(line)) });
  authority = await openAuthority({ vault: store.vault, sealers, trustDomain, clock, log });
});
afterAll(async () => {
  await authority.close();
  await store.close();
  await rm(dir, { recursive: true });
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
    const sealer = await sealers.of(saltOf(state));
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
    // Where only the encoding of the signature changes, not its numbers.
    const { start } = childrenOf(csr, readWhole(csr, tags.sequence))[2]!;
    for (const [at, flip] of [
      [-2, 0x80],
      [0, 1],
      [1, 0x80],
      [1, 1],
      [2, 0x60],
      [3, 0x80],
    ] as const) {
      const bent = Uint8Array.from(csr);
      bent[start + at]! ^= flip;
      expect([at, await refusal(bent)]).toEqual([at, 'INVALID_CSR']);
    }
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
