import { Known } from '../known.ts';
import type { SidecarSource } from '../registry.ts';

/** The endpoints of connected sidecars, put and removed by whoever holds their streams. */
export function sidecarSource(): SidecarSource {
  const known = new Known('sidecar');
  return {
    name: 'sidecar',
    endpoints: (service) => known.endpoints(service),
    services: () => known.services(),
    subscribe: (watcher) => known.subscribe(watcher),
    put: (service, endpoint) => known.put(service, endpoint),
    remove: (service, id) => known.remove(service, id),
    async close() {},
  };
}
