import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { tags, writeDer } from '../../lib/der.ts';

const generate = promisify(generateKeyPair);

/** OBJECT IDENTIFIER 1.2.840.10045.4.3.2, ecdsa-with-SHA256 (RFC 5758 3.2). */
const ecdsaWithSha256 = Buffer.from('06082a8648ce3d040302', 'hex');

/** A new private key and the request for a certificate of it. */
export interface KeyRequest {
  readonly keyPem: string;
  /** PKCS #10, DER. */
  readonly csr: Uint8Array;
}

/**
 * A fresh P-256 key with a request that proves its possession (RFC 2986 4). The request names nobody: the control plane
 * decides the identity by who is asking.
 */
export async function makeKeyRequest(): Promise<KeyRequest> {
  const { publicKey, privateKey } = await generate('ec', { namedCurve: 'P-256' });
  const info = writeDer(
    tags.sequence,
    writeDer(tags.integer, Uint8Array.of(0)),
    writeDer(tags.sequence),
    publicKey.export({ type: 'spki', format: 'der' }),
    writeDer(tags.context(0)),
  );
  const signature = writeDer(tags.bitString, Uint8Array.of(0), sign('sha256', info, privateKey));
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csr: writeDer(tags.sequence, info, writeDer(tags.sequence, ecdsaWithSha256), signature),
  };
}
