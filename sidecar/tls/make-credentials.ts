import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chainProblem, clockAdvice, readSvid, toPem } from '../../lib/svid.ts';
import { secureContext } from './contexts.ts';
import type { Credentials } from './credentials.ts';

/** A certificate, a key and roots that do not make an identity together. The message says why, without the key. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
}

export interface Material {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly keyPem: string;
  readonly roots: readonly Uint8Array[];
}

/**
 * Credentials of what was read or received, after checking that it is one SPIFFE identity, with its own key, valid at
 * `wall` (epoch ms) and under the roots. Throws CredentialsError.
 */
export function makeCredentials(material: Material, wall: number): Credentials {
  const [leaf, ...between] = material.chain;
  if (leaf === undefined) throw new CredentialsError('there is no certificate');
  const problem = chainProblem(leaf, between, material.roots, wall);
  if (problem !== undefined)
    throw new CredentialsError(
      `the certificate is not under the roots or in its time: ${problem}${clockAdvice(problem, wall)}`,
    );
  return assemble(material);
}

/** The same without looking at the path to the roots, for roots that have just been changed. */
export function assemble({ chain, keyPem, roots }: Material): Credentials {
  const proof = readSvid(chain[0]!);
  if ('reason' in proof) throw new CredentialsError(`the certificate is no SPIFFE identity: ${proof.reason}`);
  const cert = new X509Certificate(chain[0]!);
  if (!cert.checkPrivateKey(readKey(keyPem))) throw new CredentialsError('the certificate belongs to another key');
  const certPem = toPem(chain);
  const rootsPem = toPem(roots);
  return Object.freeze({
    spiffeId: proof.spiffeId,
    trustDomain: proof.identity.trustDomain,
    certPem,
    keyPem,
    rootsPem,
    notAfter: cert.validToDate.getTime(),
    context: secureContext(certPem, keyPem, rootsPem),
  });
}

function readKey(keyPem: string) {
  try {
    return createPrivateKey(keyPem);
  } catch {
    // The error of OpenSSL says nothing that helps, and its cause must not carry the key into a log.
    throw new CredentialsError('the private key cannot be read (PEM, not encrypted)');
  }
}
