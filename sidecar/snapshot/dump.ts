import type { Snapshot } from './snapshot.ts';

/** The snapshot in force, for people: what can be called, by which rules, at which endpoints. Has no secrets in it. */
export function dumpSnapshot(snapshot: Snapshot): unknown {
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
        connections: endpoint.pool.connections,
      })),
    })),
    absent: [...snapshot.absent],
  };
}
