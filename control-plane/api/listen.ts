import { unlinkSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { type Address, formatAddress } from '../../lib/address.ts';

/** Listens there. Throws with a sentence for people when the address is taken or not ours. */
export async function listenAt(server: Server, address: Address): Promise<void> {
  try {
    await listen(server, address);
  } catch (error) {
    if (!('path' in address) || codeOf(error) !== 'EADDRINUSE' || (await isAnswered(address.path)))
      throw new Error(advice(address, error));
    // Left behind by a process that was killed: nobody answers there any more.
    unlinkSync(address.path);
    await listen(server, address);
  }
}

function listen(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen('path' in address ? { path: address.path } : { host: address.host, port: address.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

function advice(address: Address, error: unknown): string {
  const place = formatAddress(address);
  if (codeOf(error) === 'EADDRINUSE')
    return `${place} is taken: is another control plane running? Stop it or choose another address`;
  if (codeOf(error) === 'EACCES') return `${place} may not be used by this user: choose another address`;
  if (codeOf(error) === 'EADDRNOTAVAIL') return `${place} is not an address of this machine`;
  return `cannot listen at ${place}: ${(error as Error).message}`;
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/** The address with the port that was chosen. */
export function boundAddress(server: Server, asked: Address): Address {
  const bound = server.address();
  return 'path' in asked || bound === null || typeof bound === 'string'
    ? asked
    : { host: asked.host, port: bound.port };
}
