import type { UpstreamDump } from '../tcp/upstreams.ts';
import type { Snapshot } from './snapshot.ts';

/** The snapshot in force, for people: what can be called, by which rules, at which endpoints. Has no secrets in it. */
export type SnapshotDump = ReturnType<typeof dumpSnapshot>;

export function dumpSnapshot(snapshot: Snapshot, upstreams: readonly UpstreamDump[] = []) {
  const services = [...snapshot.services.values()].map(({ key, protocol, rules }) => ({
    service: key,
    protocol,
    rules: [...new Set(rules.map(({ rule }) => rule))].map((rule) => ({
      name: rule.name,
      hostnames: [...new Set(rules.filter((ranked) => ranked.rule === rule).flatMap(({ hostnames }) => hostnames))],
      backends: rule.backends.map(({ weight, destination }) => ({ service: destination?.service ?? 'absent', weight })),
    })),
  }));
  const destinations = new Map(
    [...snapshot.services.values()].flatMap((service) =>
      [service, ...service.rules.flatMap(({ rule }) => rule.backends)].flatMap(({ destination }) =>
        destination === undefined ? [] : [[destination.service, destination] as const],
      ),
    ),
  );
  return {
    revision: snapshot.revision,
    ready: snapshot.ready,
    services,
    destinations: [...destinations.values()].map(({ service, endpoints }) => ({
      service,
      endpoints: endpoints.map((endpoint) => ({
        id: endpoint.id,
        address: endpoint.label,
        identity: endpoint.spec.identity,
        weight: endpoint.weight,
        active: endpoint.active,
        connections: endpoint.connections,
      })),
    })),
    absent: [...snapshot.absent],
    upstreams,
  };
}

/** The same snapshot in several threads: what they have under way, and open, is added up. */
export function addDumps(first: SnapshotDump, others: readonly SnapshotDump[]): SnapshotDump {
  const key = (service: string, id: string): string => `${service} ${id}`;
  const more = new Map<string, { active: number; connections: number }>();
  for (const { destinations } of others)
    for (const { service, endpoints } of destinations)
      for (const { id, active, connections } of endpoints) {
        const sum = more.get(key(service, id)) ?? { active: 0, connections: 0 };
        more.set(key(service, id), {
          active: sum.active + active,
          connections: sum.connections + connections,
        });
      }
  const destinations = first.destinations.map(({ service, endpoints }) => ({
    service,
    endpoints: endpoints.map((endpoint) => {
      const { active = 0, connections = 0 } = more.get(key(service, endpoint.id)) ?? {};
      return { ...endpoint, active: endpoint.active + active, connections: endpoint.connections + connections };
    }),
  }));
  return { ...first, destinations };
}
