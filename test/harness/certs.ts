import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, in the forms that tests need. */
export interface TestCert {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly keyPem: string;
  /** This certificate and what is between it and the root, as a server would send them. */
  readonly chainPem: string;
  readonly issuer: TestCert | undefined;
  readonly cert: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** Everything that a certificate can get wrong. What is not named is as in a good certificate. */
export interface CertOptions {
  readonly subject?: string;
  /** Milliseconds from now; negative is past. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** URI names; a string as it is, also one that is no URI. */
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  /** null leaves the extension out. */
  readonly ca?: boolean | null;
  readonly pathLength?: number;
  readonly keyUsage?: x509.KeyUsageFlags | null;
  readonly extKeyUsage?: readonly string[] | null;
  /** More extensions, as they are. */
  readonly extensions?: readonly x509.Extension[];
  readonly algorithm?: webcrypto.EcKeyGenParams;
}

export const usages = x509.KeyUsageFlags;
export const purposes = x509.ExtendedKeyUsage;
export const rawExtension = (oid: string, critical: boolean, value: Uint8Array<ArrayBuffer>): x509.Extension =>
  new x509.Extension(oid, critical, value);

const hour = 3_600_000;
let serial = 0x1000;

async function makeCert(issuer: TestCert | undefined, given: CertOptions): Promise<TestCert> {
  const keys = await webcrypto.subtle.generateKey(given.algorithm ?? { name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const extensions: x509.Extension[] = [...(given.extensions ?? [])];
  if (given.ca !== null) extensions.push(new x509.BasicConstraintsExtension(given.ca ?? false, given.pathLength, true));
  if (given.keyUsage !== null)
    extensions.push(new x509.KeyUsagesExtension(given.keyUsage ?? usages.digitalSignature, true));
  if (given.extKeyUsage !== null)
    extensions.push(
      new x509.ExtendedKeyUsageExtension([...(given.extKeyUsage ?? [purposes.serverAuth, purposes.clientAuth])]),
    );
  const names: x509.JsonGeneralNames = [
    ...(given.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(given.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(given.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  if (names.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(names, true));
  extensions.push(await x509.SubjectKeyIdentifierExtension.create(keys.publicKey));
  if (issuer !== undefined) extensions.push(await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey));
  serial += 1;
  const subject = given.subject ?? '';
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial.toString(16).padStart(8, '0'),
    subject,
    issuer: issuer?.cert.subject ?? subject,
    notBefore: new Date(Date.now() + (given.notBefore ?? -hour)),
    notAfter: new Date(Date.now() + (given.notAfter ?? hour)),
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions,
  });
  const pem = `${cert.toString('pem')}\n`;
  return {
    der: new Uint8Array(cert.rawData),
    pem,
    keyPem: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
    chainPem: pem + (issuer?.issuer === undefined ? '' : issuer.chainPem),
    issuer,
    cert,
    keys,
  };
}

const caDefaults: CertOptions = { ca: true, keyUsage: usages.keyCertSign | usages.cRLSign, extKeyUsage: null };

/** A self-signed root. */
export const makeRoot = (options: CertOptions = {}): Promise<TestCert> =>
  makeCert(undefined, { ...caDefaults, subject: 'CN=test root', ...options });

/** A CA under another one. */
export const makeIntermediate = (issuer: TestCert, options: CertOptions = {}): Promise<TestCert> =>
  makeCert(issuer, { ...caDefaults, subject: 'CN=test intermediate', ...options });

/** A leaf, good unless the options say otherwise. Its identity is in `uris`. */
export const makeLeaf = (issuer: TestCert, options: CertOptions = {}): Promise<TestCert> => makeCert(issuer, options);
