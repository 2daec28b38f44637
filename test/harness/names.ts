import { createSocket } from 'node:dgram';
import { Resolver as NodeResolver } from 'node:dns/promises';
import { systemClock } from '../../lib/clock.ts';
import { Live } from '../../lib/live.ts';
import { silentLog } from '../../lib/log.ts';
import { type NamesOptions, startNames } from '../../sidecar/names/names.ts';
import type { Resolver } from '../../sidecar/names/resolv-conf.ts';
import type { InForce } from '../../sidecar/snapshot/in-force.ts';

const anywhere: Resolver = { host: '127.0.0.1', port: 0 };
export const nothing: InForce = { revision: 0, ready: false, addresses: new Map(), absent: new Set() };
export const known = (addresses: Readonly<Record<string, string>>, absent: readonly string[] = []): InForce => ({
  revision: 1,
  ready: true,
  addresses: new Map(Object.entries(addresses)),
  absent: new Set(absent),
});
export const shop = known({ 'default/payments': '127.200.0.1', 'shop/web': '127.200.0.2' });

/** DNS for the services of `now`, in this process, on a port of its own, and somebody who asks there. */
export async function testNames(options: Partial<NamesOptions> & { readonly now?: InForce } = {}) {
  const inForce = new Live(options.now ?? shop);
  const server = await startNames({
    address: anywhere,
    resolvers: [],
    namespace: 'default',
    inForce,
    reachable: () => true,
    resolve: () => undefined,
    complete: false,
    clock: systemClock,
    log: silentLog,
    ...options,
  });
  const { host, port } = server.address;
  const asking = new NodeResolver({ tries: 1, timeout: 10_000 });
  asking.setServers([`${host}:${port}`]);
  return {
    inForce,
    asking,
    at: server.address,
    lookup: (name: string) => asking.resolve4(name),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** What comes back over UDP for these octets. */
export async function datagram(to: Resolver, octets: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    return await new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', resolve);
      socket.send(octets, to.port, to.host);
    });
  } finally {
    socket.close();
  }
}

/** The code of an answer. */
export const codeOf = (answer: Buffer): number => answer[3]! & 0xf;
