import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { formatSpiffe } from '../lib/spiffe.ts';

/** Paths of PEM files. `both` holds certificate and key, as HAProxy wants it. */
export interface Leaf {
  readonly spiffeId: string;
  readonly cert: string;
  readonly key: string;
  readonly both: string;
}

export interface Certificates {
  readonly root: string;
  readonly caller: Leaf;
  readonly callee: Leaf;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const hourMs = 3_600_000;

/** A root and two leaves (P-256, SPIFFE URI) for one day, in files of this folder. All contenders use the same. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const validity = { notBefore: new Date(Date.now() - hourMs), notAfter: new Date(Date.now() + 24 * hourMs) };
  const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const rootKeys = await newKeys();
  const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=bench root',
      serialNumber: '01',
      ...validity,
      signingAlgorithm: algorithm,
      keys: rootKeys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(rootKeys.publicKey),
      ],
    },
    webcrypto,
  );
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const leaf = async (service: string, serialNumber: string): Promise<Leaf> => {
    const keys = await newKeys();
    const spiffeId = formatSpiffe({ trustDomain: 'mesh.local', namespace: 'default', service });
    const certificate = await x509.X509CertificateGenerator.create(
      {
        issuer: root.subject,
        subject: '',
        serialNumber,
        ...validity,
        signingAlgorithm: algorithm,
        signingKey: rootKeys.privateKey,
        publicKey: keys.publicKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true),
          await x509.AuthorityKeyIdentifierExtension.create(rootKeys.publicKey),
        ],
      },
      webcrypto,
    );
    const cert = `${certificate.toString('pem')}\n`;
    const key = `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')}\n`;
    return {
      spiffeId,
      cert: write(`${service}.crt`, cert),
      key: write(`${service}.key`, key),
      both: write(`${service}.pem`, cert + key),
    };
  };
  return {
    root: write('root.crt', `${root.toString('pem')}\n`),
    caller: await leaf('shop', '02'),
    callee: await leaf('web', '03'),
  };
}
