import { connect } from 'node:net';
import type { Address } from '../../lib/address.ts';
import type { Identities } from './identities.ts';
import type { RawPeer } from './origin.ts';
import { startTestSidecar, type TestSidecar, type TestSidecarOptions } from './sidecar.ts';

export const anywhere: Address = { host: '127.0.0.1', port: 0 };

export const serviceYaml = (name: string, protocol = 'tcp'): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 5432, protocol: ${protocol} }] }
`;

/** Two sidecars and an app `db` beside the second. */
export async function meshed(
  mesh: Identities,
  app: Address,
  given: { caller?: TestSidecarOptions; callee?: TestSidecarOptions } = {},
): Promise<AsyncDisposable & { readonly caller: TestSidecar; readonly callee: TestSidecar }> {
  const callee = await startTestSidecar({
    name: 'db',
    app,
    mtls: 'strict',
    credentials: await mesh.live('db'),
    yaml: serviceYaml('db'),
    ...given.callee,
  });
  const caller = await startTestSidecar({
    name: 'shop',
    credentials: await mesh.live('shop'),
    services: { db: [{ at: callee.inbound, identity: mesh.id('db') }] },
    yaml: serviceYaml('db'),
    upstreams: { db: anywhere },
    ...given.caller,
  });
  return {
    callee,
    caller,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await callee[Symbol.asyncDispose]();
    },
  };
}

export const echo = ({ socket }: RawPeer): void => {
  socket.on('data', (text: string) => socket.write(text, 'latin1'));
  socket.on('end', () => socket.end());
};

/** How a connection ends of which nobody says a word: the code of its error, or ''. The end may come with its beginning. */
export function endOf(address: Address): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ ...address });
    let code = '';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    socket.on('close', () => resolve(code));
    socket.resume();
  });
}
