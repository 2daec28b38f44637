import type { RegistryEndpoint, Source } from './registry.ts';

/** All sources as one, which owns them from now on. */
export function mergeSources(sources: readonly Source[]): Omit<Source, 'name'> {
  return {
    endpoints(service) {
      const byId = new Map<string, RegistryEndpoint>();
      for (const source of sources) {
        for (const endpoint of source.endpoints(service)) if (!byId.has(endpoint.id)) byId.set(endpoint.id, endpoint);
      }
      return [...byId.values()];
    },
    services: () => [...new Set(sources.flatMap((source) => source.services()))].sort(),
    subscribe(watcher) {
      const ends = sources.map((source) => source.subscribe(watcher));
      return () => {
        for (const end of ends) end();
      };
    },
    async close() {
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}
