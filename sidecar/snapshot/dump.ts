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
  const all = [first, ...others];
  const sums = new Map<string, { active: number; connections: number }>();
  for (const { destinations } of all)
    for (const { service, endpoints } of destinations)
      for (const { id, active, connections } of endpoints) {
        const key = `${service} ${id}`;
        const before = sums.get(key) ?? { active: 0, connections: 0 };
        sums.set(key, { active: before.active + active, connections: before.connections + connections });
      }
  return {
    ...first,
    destinations: first.destinations.map(({ service, endpoints }) => ({
      service,
      endpoints: endpoints.map((endpoint) => ({ ...endpoint, ...sums.get(`${service} ${endpoint.id}`) })),
    })),
    upstreams: first.upstreams.map((upstream) => {
      const same = all.flatMap(({ upstreams }) =>
        upstreams.filter(({ service, listen }) => service === upstream.service && listen === upstream.listen),
      );
      return {
        ...upstream,
        connections: same.reduce((sum, { connections }) => sum + connections, 0),
        problem: same.find(({ problem }) => problem !== '')?.problem ?? '',
      };
    }),
  };
}
