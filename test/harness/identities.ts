import type { ConnectionOptions } from 'node:tls';
import { Live } from '../../lib/live.ts';
import type { Credentials, LiveCredentials } from '../../sidecar/tls/credentials.ts';
import { makeLeaf, makeRoot, type TestCert } from './certs.ts';
import { credentialsOf } from './sidecar.ts';

/** A mesh's root and the identities under it. */
export interface Identities {
  readonly root: TestCert;
  /** SPIFFE ID of a service in namespace `default`. */
  id(service: string): string;
  /** What the sidecar of the service proves itself with. */
  live(service: string): Promise<LiveCredentials>;
  /** Options of a TLS client that is this service. */
  client(service: string): Promise<ConnectionOptions>;
}

export async function makeIdentities(trustDomain = 'weft.test'): Promise<Identities> {
  const root = await makeRoot();
  const id = (service: string): string => `spiffe://${trustDomain}/ns/default/sa/${service}`;
  const credentials = async (service: string): Promise<Credentials> =>
    credentialsOf(await makeLeaf(root, { uris: [id(service)] }), [root]);
  return {
    root,
    id,
    live: async (service) => new Live<Credentials | undefined>(await credentials(service)),
    client: async (service) => ({
      secureContext: (await credentials(service)).context,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
    }),
  };
}
