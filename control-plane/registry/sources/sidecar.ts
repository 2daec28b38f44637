import { Known } from '../known.ts';
import type { SidecarSource, Unready } from '../registry.ts';

/** The endpoints of connected sidecars, put and removed by whoever holds their streams. */
export function sidecarSource(): SidecarSource {
  const known = new Known('sidecar');
  const unready = new Map<string, Unready>();
  const watchers = new Set<() => void>();
  const tell = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  const isReady = (service: string, id: string): void => {
    if (unready.delete(keyOf(service, id))) tell();
  };
  return {
    name: 'sidecar',
    endpoints: (service) => known.endpoints(service),
    services: () => known.services(),
    subscribe: (watcher) => known.subscribe(watcher),
    put(service, endpoint) {
      isReady(service, endpoint.id);
      known.put(service, endpoint);
    },
    putUnready(service, endpoint, reason) {
      known.remove(service, endpoint.id);
      unready.set(keyOf(service, endpoint.id), { service, endpoint, reason });
      tell();
    },
    remove(service, id) {
      isReady(service, id);
      known.remove(service, id);
    },
    unready: () => [...unready.values()],
    onUnready(watcher) {
      const own = (): void => watcher();
      watchers.add(own);
      return () => void watchers.delete(own);
    },
    async close() {},
  };
}

const keyOf = (service: string, id: string): string => `${service}/${id}`;
