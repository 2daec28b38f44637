import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A certificate request (DER), right unless the options say otherwise. */
export async function makeCsr(
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
