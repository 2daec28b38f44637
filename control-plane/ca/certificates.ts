import 'reflect-metadata';
import { type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { formatSpiffe, type Identity } from '../../lib/spiffe.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

/** Lifetimes in ms. */
export const lifetimes = {
  root: 3650 * day,
  intermediate: 365 * day,
  leaf: day,
  /** A leaf is valid a little before it was made, for peers whose clock is behind. */
  leafBackdate: 30_000,
  caBackdate: 5 * minute,
  /** What is left of an intermediate when the next one is made: a month in which somebody can notice a failure. */
  renewIntermediate: 30 * day,
} as const;

/** A CA certificate with the key that signs. */
export interface SigningCert {
  readonly cert: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/** A new CA certificate and its key as PKCS #8, to be sealed. */
export interface NewCa {
  readonly cert: Uint8Array;
  readonly pkcs8: Uint8Array;
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** 127 random bits, positive and never zero (RFC 5280 4.1.2.2; at least 64 by the baseline requirements). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** Certificates count whole seconds. */
const seconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);

export async function importSigningCert(cert: Uint8Array, pkcs8: Uint8Array): Promise<SigningCert> {
  const key = await webcrypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), ecdsa, false, ['sign']);
  return { cert: new x509.X509Certificate(new Uint8Array(cert)), key };
}

export const makeRoot = (trustDomain: string, wall: number): Promise<NewCa> =>
  makeCa(`CN=Weft root ${randomBytes(4).toString('hex')}, O=${trustDomain}`, wall, wall + lifetimes.root, undefined);

export const makeIntermediate = (trustDomain: string, wall: number, root: SigningCert): Promise<NewCa> => {
  const notAfter = Math.min(wall + lifetimes.intermediate, root.cert.notAfter.getTime());
  return makeCa(`CN=Weft issuer ${randomBytes(4).toString('hex')}, O=${trustDomain}`, wall, notAfter, root);
};

async function makeCa(
  subject: string,
  wall: number,
  notAfter: number,
  issuer: SigningCert | undefined,
): Promise<NewCa> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject,
    issuer: issuer?.cert.subjectName ?? subject,
    notBefore: seconds(wall - lifetimes.caBackdate),
    notAfter: seconds(notAfter),
    publicKey: keys.publicKey,
    signingKey: issuer?.key ?? keys.privateKey,
    signingAlgorithm,
    extensions: [
      // An intermediate signs leaves only.
      new x509.BasicConstraintsExtension(true, issuer === undefined ? undefined : 0, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer?.cert.publicKey ?? keys.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: new Uint8Array(cert.rawData), pkcs8: new Uint8Array(pkcs8) };
}

/** What is asked of a leaf. `names`: DNS names and IP addresses, for the control plane's own certificate only. */
export interface LeafRequest {
  readonly publicKey: KeyObject;
  readonly identity: Identity;
  readonly wall: number;
  readonly ttlMs: number;
  readonly names?: readonly string[];
}

export interface Leaf {
  readonly cert: Uint8Array;
  readonly serial: string;
  readonly notAfter: number;
}

/** A leaf exactly as X509-SVID sections 2 to 4 want it; it never outlives its issuer. */
export async function makeLeaf(request: LeafRequest, issuer: SigningCert): Promise<Leaf> {
  const { wall } = request;
  const serial = newSerial();
  const notBefore = seconds(Math.max(wall - lifetimes.leafBackdate, issuer.cert.notBefore.getTime()));
  const notAfter = seconds(Math.min(wall + request.ttlMs, issuer.cert.notAfter.getTime()));
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    // Nobody reads a subject; without one the SAN must be critical (RFC 5280 4.2.1.6).
    subject: '',
    issuer: issuer.cert.subjectName,
    notBefore,
    notAfter,
    publicKey: new x509.PublicKey(new Uint8Array(request.publicKey.export({ type: 'spki', format: 'der' }))),
    signingKey: issuer.key,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      new x509.SubjectAlternativeNameExtension(
        [{ type: 'url', value: formatSpiffe(request.identity) }, ...(request.names ?? []).map(generalName)],
        true,
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.cert.publicKey),
    ],
  });
  return { cert: new Uint8Array(cert.rawData), serial, notAfter: notAfter.getTime() };
}

function generalName(name: string): { type: 'ip' | 'dns'; value: string } {
  if (isIP(name) !== 0) return { type: 'ip', value: name };
  if (/^[A-Za-z0-9](?:[-A-Za-z0-9.]{0,251}[A-Za-z0-9])?$/.test(name)) return { type: 'dns', value: name };
  throw new RangeError(`'${name}' is neither a host name nor an IP address`);
}
