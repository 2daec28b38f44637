import type { X509Certificate } from 'node:crypto';
import { type RefusalReason, readSvid } from '../../lib/svid.ts';

/** The SPIFFE ID that a certificate states, if it is a leaf that may state one; undefined otherwise. */
export function spiffeOf(cert: X509Certificate): string | undefined {
  const proof = readSvid(cert.raw);
  return 'spiffeId' in proof ? proof.spiffeId : undefined;
}

/**
 * Who is at the other end of a connection whose handshake has already verified chain and times. Once per connection,
 * at both ends: `expected` is the SPIFFE ID that a caller wants to reach; a callee takes anyone of its trust domain.
 * Pass `socket.getPeerX509Certificate()` as it is.
 */
export function checkPeer(
  cert: X509Certificate | undefined,
  expected: string | undefined,
  trustDomain: string,
): { readonly spiffeId: string } | { readonly reason: RefusalReason } {
  if (cert === undefined) return { reason: 'no-certificate' };
  const proof = readSvid(cert.raw);
  if ('reason' in proof) return proof;
  // Our roots must not vouch for IDs of another trust domain (SPIFFE-ID 3.1), whoever made them sign one.
  if (proof.identity.trustDomain !== trustDomain) return { reason: 'trust-domain' };
  if (expected !== undefined && proof.spiffeId !== expected) return { reason: 'other-identity' };
  return { spiffeId: proof.spiffeId };
}
