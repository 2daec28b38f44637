import type { Clock } from '../../../lib/clock.ts';
import type { Log } from '../../../lib/log.ts';
import { systemRandom } from '../../../lib/random.ts';
import { ConsulClient, type ConsulOptions } from '../../consul/client.ts';
import { Known } from '../known.ts';
import type { SidecarSource, Source } from '../registry.ts';
import { ConsulCatalog } from './consul-catalog.ts';
import { ConsulImporter } from './consul-import.ts';
import { startRegistrar } from './consul-register.ts';

export interface ConsulSourceOptions extends ConsulOptions {
  /** Names this control plane: unique among those that share the Consul, and the same after a restart. */
  readonly instance: string;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The sidecars that are connected here: they are registered in the catalog. */
  readonly own: SidecarSource;
}

/**
 * The catalog of Consul, both ways: registers what is connected here, and knows what others registered, other control
 * planes (with the identity to prove) as well as anybody else (plain text). While Consul cannot be reached it keeps its
 * last answers. Throws RangeError for an address that is none.
 */
export function consulSource(options: ConsulSourceOptions): Source {
  const { own, instance, trustDomain, clock, log } = options;
  const client = new ConsulClient(options);
  const catalog = new ConsulCatalog(client);
  const known = new Known('consul');
  const common = { catalog, own, instance, clock, log, random: systemRandom };
  const registrar = startRegistrar(common);
  const importer = new ConsulImporter({ ...common, known, trustDomain });
  return {
    name: 'consul',
    endpoints: (service) => known.endpoints(service),
    services: () => known.services(),
    subscribe: (watcher) => known.subscribe(watcher),
    async close() {
      const closed = [registrar.close(), importer.close()];
      client.close();
      await Promise.all(closed);
    },
  };
}
