import { createHash, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { NewCa } from './certificates.ts';
import type { Sealer } from './sealed.ts';

/** Where the vault keeps the CA: one entry, so that every change of it is one compare-and-set. */
export const caKey = 'ca/authority';

const stored = z.strictObject({ cert: z.base64(), key: z.base64() });
const stateSchema = z.strictObject({
  format: z.literal(1),
  trustDomain: z.string(),
  salt: z.base64(),
  roots: z.array(stored).min(1),
  /** `from`: epoch ms at which it begins to sign; until then it is only known, so that every control plane knows it. */
  intermediates: z.array(stored.extend({ from: z.number() })),
});

/** The CA as it lies in the vault: certificates in clear, keys sealed. */
export type CaState = z.infer<typeof stateSchema>;
export type StoredCert = z.infer<typeof stored>;

/** The CA in the store cannot be used. The message says why and what to do. */
export class CaStateError extends Error {
  override readonly name = 'CaStateError';
}

export const encodeState = (state: CaState): Uint8Array => Buffer.from(JSON.stringify(state));

export function decodeState(value: Uint8Array): CaState {
  try {
    return stateSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')));
  } catch (cause) {
    throw new CaStateError('the CA in the store is damaged or of a newer format: restore the store from a backup', {
      cause,
    });
  }
}

export const saltOf = ({ salt }: CaState): Uint8Array => Buffer.from(salt, 'base64');

/** Binds a sealed key to its certificate and trust domain, so that it cannot stand in for another one. */
const labelOf = (trustDomain: string, cert: Uint8Array): string =>
  `${trustDomain}/${createHash('sha256').update(cert).digest('hex')}`;

export const sealCa = (sealer: Sealer, trustDomain: string, { cert, pkcs8 }: NewCa): StoredCert => ({
  cert: Buffer.from(cert).toString('base64'),
  key: Buffer.from(sealer.seal(pkcs8, labelOf(trustDomain, cert))).toString('base64'),
});

/** Throws CaStateError when the secret is not the one that the key was sealed with. */
export function openCa(sealer: Sealer, trustDomain: string, { cert, key }: StoredCert): NewCa {
  const der = Buffer.from(cert, 'base64');
  try {
    return { cert: der, pkcs8: sealer.open(Buffer.from(key, 'base64'), labelOf(trustDomain, der)) };
  } catch (cause) {
    throw new CaStateError(
      'the CA in this store was encrypted with another key: start with the key file that it was made with ' +
        '(--ca-key-file, or ca.key in the state directory of the first control plane)',
      { cause },
    );
  }
}

export const derOf = ({ cert }: StoredCert): Uint8Array => Buffer.from(cert, 'base64');
export const endOf = (stored: StoredCert): number => new X509Certificate(derOf(stored)).validToDate.getTime();
