import 'reflect-metadata';
import { createPublicKey, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { childrenOf, contentOf, DerError, expectTag, readWhole, tags } from '../../lib/der.ts';
import { formatSpiffe, type Identity } from '../../lib/spiffe.ts';
import { IssueError } from './authority.ts';

/** Octets of the largest request that is read; one with an RSA-4096 key has some 1200. */
const maxCsr = 16_384;

/** What is used of a certificate request. */
export interface Csr {
  readonly publicKey: KeyObject;
  /** Names of the request, for `checkNames` only: they never reach a certificate. */
  readonly commonNames: readonly string[];
  readonly names: readonly { readonly type: string; readonly value: string }[];
}

/**
 * Reads a PKCS #10 request (DER) and checks that who sent it holds the private key. Throws IssueError INVALID_CSR for
 * anything that is not exactly one well-formed request with a key of an accepted kind.
 */
export async function parseCsr(bytes: Uint8Array): Promise<Csr> {
  if (bytes.length === 0 || bytes.length > maxCsr)
    throw new IssueError('INVALID_CSR', `a request has 1 to ${maxCsr} octets, this one has ${bytes.length}`);
  try {
    expectStrict(bytes);
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(bytes));
    const publicKey = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
    const problem = keyProblem(publicKey);
    if (problem !== undefined) throw new IssueError('INVALID_CSR', problem);
    if (!(await request.verify())) throw new IssueError('INVALID_CSR', 'the signature does not fit the public key');
    const san = request.extensions.filter((extension) => extension.type === '2.5.29.17');
    return {
      publicKey,
      commonNames: request.subjectName.getField('CN'),
      names: san.flatMap((extension) => new x509.SubjectAlternativeNameExtension(extension.rawData).names.toJSON()),
    };
  } catch (thrown) {
    if (thrown instanceof IssueError) throw thrown;
    // The readers of three libraries throw their own errors, whose texts may quote what was sent.
    throw new IssueError('INVALID_CSR', 'the request is not PKCS #10 in DER');
  }
}

/**
 * RFC 2986 section 4.2: three values, the last of them a signature of whole octets; with ECDSA (RFC 3279 section 2.2.3)
 * two numbers. The library takes other types in these places, so that one request would have many encodings.
 */
function expectStrict(bytes: Uint8Array): void {
  const [info, algorithm, signature, ...more] = childrenOf(bytes, readWhole(bytes, tags.sequence));
  expectTag(info, tags.sequence);
  const [oid] = childrenOf(bytes, expectTag(algorithm, tags.sequence));
  const [unused, ...octets] = contentOf(bytes, expectTag(signature, tags.bitString));
  if (unused !== 0 || more.length > 0) throw new DerError('the signature is not the last, or not of whole octets');
  // ansi-X9-62 signatures: 1.2.840.10045.4.
  if (
    !Buffer.from(contentOf(bytes, expectTag(oid, tags.oid)))
      .toString('hex')
      .startsWith('2a8648ce3d04')
  )
    return;
  const numbers = Uint8Array.from(octets);
  const pair = childrenOf(numbers, readWhole(numbers, tags.sequence), 2);
  for (const number of [pair[0], pair[1]]) expectTag(number, tags.integer);
}

/** Why a key is refused: too weak, too large to be honest, or of a kind that TLS 1.3 workloads do not need. */
function keyProblem(key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return undefined;
    case 'ec':
      if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') return undefined;
      return 'an EC key must be on P-256 or P-384';
    case 'rsa':
      if (modulusLength < 2048 || modulusLength > 4096) return 'an RSA key must have 2048 to 4096 bits';
      // NIST SP 800-56B: small or even exponents break RSA, huge ones make each check slow.
      if (publicExponent < 65537n || publicExponent >= 2n ** 32n || publicExponent % 2n === 0n)
        return 'an RSA key must have an odd exponent from 65537 to 2^32';
      return undefined;
    default:
      return 'a key must be P-256, P-384, Ed25519 or RSA';
  }
}

/**
 * Refuses a request that asks to be somebody else. Names are optional and never used, but a wrong one is a mistake or
 * an attack that must not pass in silence. Throws IssueError PERMISSION_DENIED.
 */
export function checkNames(csr: Csr, identity: Identity): void {
  const own = formatSpiffe(identity);
  const foreign =
    csr.names.find((name) => name.type !== 'url' || name.value !== own)?.value ??
    csr.commonNames.find((name) => name !== own && name !== identity.service && name !== '');
  if (foreign !== undefined)
    throw new IssueError('PERMISSION_DENIED', `the request names somebody else than ${own}, who asks`);
}
