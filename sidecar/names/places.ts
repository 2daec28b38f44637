import type { Address } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { checkOf } from '../app-health/check.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { UpstreamSpec } from '../tcp/upstreams.ts';

const appMs = 1000;

/** The name under which an app finds a service, whatever its own namespace. */
const meshName = (service: string): string => `${service.split('/').reverse().join('.')}.mesh`;

/** Where a sidecar listens so that services are found at their own addresses and real ports, in the order of their names. */
export function namePlaces({ services, addresses }: Pick<Snapshot, 'services' | 'addresses'>): readonly UpstreamSpec[] {
  const taken = new Set<string>();
  return [...services.values()]
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap(({ key, ports }) => {
      const host = addresses.get(key);
      // Never two at one address: what is sent to one would reach the other.
      if (host === undefined || taken.has(host)) return [];
      taken.add(host);
      return ports.map((port) => ({
        service: key,
        address: { host, port },
        from: `name ${meshName(key)}`,
        named: true as const,
      }));
    });
}

/**
 * Throws while listening there could keep the app from listening: it may want the same port at all addresses, which the
 * system refuses it when we have it at one.
 */
export async function leaveToApp(app: Address, wanted: Address, clock: Clock): Promise<void> {
  if ('path' in app || 'path' in wanted || app.port !== wanted.port) return;
  const late = new AbortController();
  const cancel = clock.after(appMs, () => late.abort());
  const problem = await checkOf(app, { by: 'tcp' })(late.signal);
  cancel();
  if (problem !== undefined) throw new Error(`port ${app.port} is left to the app until it listens there`);
}

/**
 * True when a failure to listen at a place of our own service is no matter: its app has the port at all addresses, and so
 * answers there itself.
 */
export function isAnsweredByApp(thrown: unknown, app: Address, wanted: Address): boolean {
  const samePort = 'port' in app && 'port' in wanted && app.port === wanted.port;
  return samePort && (thrown as Partial<NodeJS.ErrnoException>).code === 'EADDRINUSE';
}

/** What to do about a name that cannot be listened at, by the code of the error. */
export function nameAdvice(code: string | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program has this port, perhaps at all addresses (0.0.0.0): let it listen at 127.0.0.1, or at the address that others reach it by';
    case 'EACCES':
      return 'ports below 1024 need net.ipv4.ip_unprivileged_port_start=0, which containers of Docker have, or CAP_NET_BIND_SERVICE';
    case 'EADDRNOTAVAIL':
      return 'this system has no 127.128.0.0/9 on loopback: names work on Linux; elsewhere give the service an --upstream';
    default:
      return '';
  }
}
