import { formatAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { SidecarConfig } from '../config.ts';
import type { DataPlane } from '../data-plane.ts';
import { startNames } from './names.ts';
import { type Resolver, readResolvers } from './resolv-conf.ts';
import type { DnsServer } from './server.ts';

const resolvConf = '/etc/resolv.conf';

/** DNS beside a data plane, with the resolvers that the settings or else the system name. Rejects when it cannot listen. */
export async function startSidecarNames(
  address: Resolver,
  parts: {
    readonly config: Pick<SidecarConfig, 'namespace' | 'dnsForward' | 'source'>;
    readonly dataPlane: Pick<DataPlane, 'snapshot' | 'names'>;
    readonly resolve: (service: string) => Promise<void> | undefined;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<DnsServer> {
  const { config, dataPlane, resolve, clock, log } = parts;
  const resolvers = config.dnsForward ?? (await systemResolvers(address, log));
  const server = await startNames({
    address,
    resolvers,
    namespace: config.namespace,
    inForce: dataPlane.snapshot,
    reachable: (service) => dataPlane.names.has(service),
    resolve,
    complete: config.source.from !== 'control-plane',
    clock,
    log,
  });
  log.info('names.listening', { dns: formatAddress(server.address), resolvers: resolvers.map(formatAddress) });
  return server;
}

/** Without them the names of the mesh are still answered. */
async function systemResolvers(address: Resolver, log: Log): Promise<readonly Resolver[]> {
  try {
    return await readResolvers(resolvConf, [address]);
  } catch (thrown) {
    log.warn('names.no-resolvers', { file: resolvConf, problem: messageOf(thrown) });
    return [];
  }
}
