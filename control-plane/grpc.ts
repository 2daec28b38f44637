import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';

/** How long calls may take to end when the server stops. */
const graceMs = 1000;

/** Binds a gRPC server. Gives the address with the port that was chosen; throws with a sentence for people. */
export function bindGrpc(server: Server, address: Address, credentials: ServerCredentials): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.bindAsync(formatAddress(address), credentials, (error, port) => {
      if (error === null) resolve('path' in address ? address : { host: address.host, port });
      else reject(new Error(`${formatAddress(address)} ${whyNot(messageOf(error))}`));
    });
  });
}

function whyNot(message: string): string {
  if (message.includes('EADDRINUSE'))
    return 'is taken: is another control plane running? Stop it or choose another address';
  if (message.includes('EADDRNOTAVAIL')) return 'is not an address of this machine';
  return `cannot be listened at: ${message}`;
}

/** Lets calls end for a moment, then ends them. */
export function stopGrpc(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const force = clock.after(graceMs, () => server.forceShutdown());
    server.tryShutdown(() => {
      force();
      resolve();
    });
  });
}
