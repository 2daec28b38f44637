import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Address } from '../../lib/address.ts';
import { ADMIN_PROTOCOL } from '../../sidecar/admin/over-mesh.ts';
import type { AdminParts } from '../../sidecar/admin/pages.ts';
import { secureContext } from '../../sidecar/tls/contexts.ts';
import { type CertOptions, makeLeaf, type TestCert } from './certs.ts';
import type { Identities } from './identities.ts';

export const controlPlane = 'spiffe://weft.test/ns/weft/sa/control-plane';

/** Pages of a sidecar that is well; /info fails. */
export const adminParts = (drain: () => void): AdminParts => ({
  ready: () => ({ ready: true, reason: '' }),
  readyOutbound: () => ({ ready: true, reason: '' }),
  config: () => ({ revision: 7 }),
  metrics: () => 'weft_x 1\n',
  info: () => {
    throw new Error('secret');
  },
  drain,
});

/** The control plane of this mesh as a TLS client for admin pages; or what differs from it. */
export async function adminClient(
  mesh: Identities,
  given: CertOptions = {},
  by: TestCert = mesh.root,
): Promise<ConnectionOptions> {
  const leaf = await makeLeaf(by, { uris: [controlPlane], ...given });
  return {
    secureContext: secureContext(leaf.chainPem, leaf.keyPem, mesh.root.pem),
    ALPNProtocols: [ADMIN_PROTOCOL],
    checkServerIdentity: () => undefined,
  };
}

/** Sends these octets and gives all that came back until the end, which an answer to `Connection: close` brings. */
export async function exchange(to: Address, client: ConnectionOptions, octets: string): Promise<string> {
  const socket = connect({ ...to, ...client });
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  const end = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`${answer}!${error.code}`));
    socket.on('close', () => resolve(answer === '' ? '!closed' : answer));
  });
  socket.write(octets);
  return end;
}
export const asked = (method: string, target: string, more = ''): string =>
  `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;
export const statusOf = (answer: string): string => /^HTTP\/1\.1 ([0-9]{3})/.exec(answer)?.[1] ?? answer;

/** A connection that stays, and what one GET on it is answered. */
export async function kept(
  to: Address,
  client: ConnectionOptions,
): Promise<{ readonly socket: TLSSocket; get(path: string): Promise<string> }> {
  const socket = connect({ ...to, ...client });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return {
    socket,
    async get(path) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      return statusOf(chunk.toString('latin1'));
    },
  };
}
