import { createHash, X509Certificate } from 'node:crypto';
import { childrenOf, contentOf, type Der, DerError, expectTag, readWhole, tags } from './der.ts';
import { type Identity, parseSpiffe } from './spiffe.ts';

/** Why a certificate was not believed. A closed set, so that it can be a metric label. */
export type RefusalReason =
  | 'no-certificate'
  | 'malformed'
  | 'critical-extension'
  | 'is-ca'
  | 'key-usage'
  | 'extended-key-usage'
  | 'no-uri-san'
  | 'many-uri-sans'
  | 'not-spiffe'
  | 'trust-domain'
  | 'other-identity'
  | 'expired'
  | 'not-yet-valid'
  | 'untrusted';

/** The SPIFFE ID that a certificate proves, or why it proves none. */
export type Proof = { readonly spiffeId: string; readonly identity: Identity } | { readonly reason: RefusalReason };

/** Octets of the largest certificate that is read. Ours have about 500. */
const maxCertificate = 16_384;

/** Certificates that are tried between a leaf and a root; the search looks at every order of those that fit. */
const maxBetween = 8;

const oids = {
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  keyUsage: '551d0f',
  extKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
} as const;

/** Extensions that may be critical, because this file enforces them (RFC 5280 4.2). */
const understood: ReadonlySet<string> = new Set([
  oids.subjectAltName,
  oids.basicConstraints,
  oids.keyUsage,
  oids.extKeyUsage,
]);

interface Profile {
  readonly criticalUnknown: boolean;
  readonly ca: boolean;
  readonly pathLength: number;
  /** Bits of the key usage, the first one highest; undefined without the extension. */
  readonly keyUsage: number | undefined;
  readonly extKeyUsage: readonly string[] | undefined;
  /** URIs of the subject alternative name as raw octets. */
  readonly uris: readonly Uint8Array[];
}

const digitalSignature = 0x80;
const keyCertSign = 0x04;
const cRLSign = 0x02;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Reads the extensions that decide about identity from the certificate's own octets. Throws DerError. */
function readProfile(cert: Uint8Array): Profile {
  if (cert.length > maxCertificate) throw new DerError('the certificate is too large');
  const [tbs] = childrenOf(cert, readWhole(cert, tags.sequence));
  const wrapped = childrenOf(cert, expectTag(tbs, tags.sequence)).find((part) => part.tag === tags.context(3));
  const found = new Map<string, Uint8Array>();
  let criticalUnknown = false;
  if (wrapped !== undefined) {
    const [list, ...more] = childrenOf(cert, wrapped);
    if (more.length > 0) throw new DerError('there is something after the extensions');
    for (const extension of childrenOf(cert, expectTag(list, tags.sequence))) {
      const parts = childrenOf(cert, expectTag(extension, tags.sequence), 3);
      const oid = hex(contentOf(cert, expectTag(parts[0], tags.oid)));
      const critical = parts.length === 3 && isTrue(cert, parts[1]);
      // RFC 5280 4.2: no extension twice. Otherwise two readers could choose different ones.
      if (found.has(oid)) throw new DerError('an extension is there twice');
      found.set(oid, contentOf(cert, expectTag(parts.at(-1), tags.octetString)));
      if (critical && !understood.has(oid)) criticalUnknown = true;
    }
  }
  return {
    criticalUnknown,
    ...basicConstraints(found.get(oids.basicConstraints)),
    keyUsage: keyUsage(found.get(oids.keyUsage)),
    extKeyUsage: extKeyUsage(found.get(oids.extKeyUsage)),
    uris: uris(found.get(oids.subjectAltName)),
  };
}

function isTrue(bytes: Uint8Array, der: Der | undefined): boolean {
  const content = contentOf(bytes, expectTag(der, tags.boolean));
  if (content.length !== 1 || content[0] !== 0xff) throw new DerError('a boolean is not in its DER form');
  return true;
}

function basicConstraints(bytes: Uint8Array | undefined): Pick<Profile, 'ca' | 'pathLength'> {
  if (bytes === undefined) return { ca: false, pathLength: 0 };
  const [ca, pathLength] = childrenOf(bytes, readWhole(bytes, tags.sequence), 2);
  if (ca === undefined) return { ca: false, pathLength: 0 };
  isTrue(bytes, ca);
  if (pathLength === undefined) return { ca: true, pathLength: Number.POSITIVE_INFINITY };
  const content = contentOf(bytes, expectTag(pathLength, tags.integer));
  if (content.length !== 1 || content[0]! > 0x7f) throw new DerError('a path length is out of bounds');
  return { ca: true, pathLength: content[0]! };
}

function keyUsage(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  const content = contentOf(bytes, readWhole(bytes, tags.bitString));
  if (content.length < 2) throw new DerError('a key usage is empty');
  return content[1];
}

function extKeyUsage(bytes: Uint8Array | undefined): readonly string[] | undefined {
  if (bytes === undefined) return undefined;
  return childrenOf(bytes, readWhole(bytes, tags.sequence)).map((part) =>
    hex(contentOf(bytes, expectTag(part, tags.oid))),
  );
}

function uris(bytes: Uint8Array | undefined): readonly Uint8Array[] {
  if (bytes === undefined) return [];
  // uniformResourceIdentifier [6] IA5String (RFC 5280 4.2.1.6).
  const names = childrenOf(bytes, readWhole(bytes, tags.sequence));
  return names.filter((name) => name.tag === 0x86).map((name) => contentOf(bytes, name));
}

/**
 * The identity that a leaf certificate states, by the rules of X509-SVID section 5.2, decoded from its octets: the text
 * that Node prints of a SAN can be forged (CVE-2021-44532). Says nothing about who signed it or when it is valid.
 */
export function readSvid(cert: Uint8Array): Proof {
  let profile: Profile;
  try {
    profile = readProfile(cert);
  } catch (thrown) {
    if (thrown instanceof DerError) return { reason: 'malformed' };
    throw thrown;
  }
  if (profile.criticalUnknown) return { reason: 'critical-extension' };
  if (profile.ca) return { reason: 'is-ca' };
  const usage = profile.keyUsage ?? 0;
  if ((usage & digitalSignature) === 0 || (usage & (keyCertSign | cRLSign)) !== 0) return { reason: 'key-usage' };
  // X509-SVID 4.4: when it is there, it must allow both ends, because every workload is client and server.
  const purposes = profile.extKeyUsage;
  if (purposes !== undefined && !(purposes.includes(oids.serverAuth) && purposes.includes(oids.clientAuth)))
    return { reason: 'extended-key-usage' };
  const [uri, ...others] = profile.uris;
  if (uri === undefined) return { reason: 'no-uri-san' };
  if (others.length > 0) return { reason: 'many-uri-sans' };
  // latin1 keeps every octet as it is; the pattern of parseSpiffe then refuses all but a few ASCII characters.
  const spiffeId = Buffer.from(uri).toString('latin1');
  const identity = parseSpiffe(spiffeId);
  return identity === undefined ? { reason: 'not-spiffe' } : { spiffeId, identity };
}

/**
 * Whether a path leads from `leaf` to one of `roots`, all of it valid at `wall` (epoch ms). `between` are certificates
 * that may stand on the path, in any order. Gives the reason why not. RFC 5280 6.1, without names or revocation lists.
 */
export function chainProblem(
  leaf: Uint8Array,
  between: readonly Uint8Array[],
  roots: readonly Uint8Array[],
  wall: number,
): RefusalReason | undefined {
  try {
    const cert = new X509Certificate(leaf);
    const problem = timeProblem(cert, wall);
    if (problem !== undefined) return problem;
    const links = between.slice(0, maxBetween).map(readLink);
    return reaches(cert, links, roots.map(readLink), wall, 0) ? undefined : 'untrusted';
  } catch {
    // Node's reader and ours throw on bytes that are no certificate, and on nothing else.
    return 'malformed';
  }
}

interface Link {
  readonly cert: X509Certificate;
  readonly profile: Profile;
}

const readLink = (der: Uint8Array): Link => ({ cert: new X509Certificate(der), profile: readProfile(der) });

/** `below`: how many intermediates stand between this certificate and the leaf (RFC 5280 4.2.1.9). */
function reaches(
  cert: X509Certificate,
  links: readonly Link[],
  roots: readonly Link[],
  wall: number,
  below: number,
): boolean {
  const signed = (by: Link): boolean =>
    mayIssue(by, wall, below) && cert.checkIssued(by.cert) && cert.verify(by.cert.publicKey);
  if (roots.some(signed)) return true;
  return links.some((link) => {
    const rest = links.filter((other) => other !== link);
    return signed(link) && reaches(link.cert, rest, roots, wall, below + 1);
  });
}

function mayIssue({ cert, profile }: Link, wall: number, below: number): boolean {
  const mayCertify = profile.keyUsage === undefined || (profile.keyUsage & keyCertSign) !== 0;
  const within = profile.pathLength >= below;
  return profile.ca && mayCertify && within && !profile.criticalUnknown && timeProblem(cert, wall) === undefined;
}

function timeProblem(cert: X509Certificate, wall: number): RefusalReason | undefined {
  if (!(cert.validFromDate.getTime() <= wall)) return 'not-yet-valid';
  if (!(cert.validToDate.getTime() >= wall)) return 'expired';
  return undefined;
}

/** What to do about a certificate that is out of its time at `wall` (epoch ms); '' for other reasons. */
export function clockAdvice(reason: RefusalReason, wall: number): string {
  if (reason !== 'expired' && reason !== 'not-yet-valid') return '';
  const now = new Date(wall).toISOString();
  return `; the clock of this machine says ${now}: if that is wrong, set it (NTP), else that of the control plane`;
}

/**
 * SHA-256 of a certificate's public key. A join token names the root with it. Throws when the bytes are no certificate.
 */
export function keyHash(cert: Uint8Array): Buffer {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest();
}

/** DER certificates as PEM, one after the other. */
export const toPem = (ders: readonly Uint8Array[]): string =>
  ders.map((der) => new X509Certificate(der).toString()).join('');

/** The certificates of a PEM text as DER, in order. Throws an Error when it holds none or one that is broken. */
export function fromPem(pem: string): readonly Uint8Array[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (blocks === null) throw new Error('there is no certificate in it (PEM, BEGIN CERTIFICATE)');
  return blocks.map((block) => new X509Certificate(block).raw);
}
