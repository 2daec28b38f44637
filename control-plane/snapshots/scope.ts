import {
  type EncodedResource,
  type MeshIndex,
  meshTopic,
  namespaceTopic,
  serviceTopic,
  type Topic,
  topicOf,
} from './mesh-index.ts';

/** What one sidecar needs of the mesh's resources. Never changed once made; sidecars of equal needs share one. */
export interface Scope {
  /** By `keyText`. */
  readonly resources: ReadonlyMap<string, EncodedResource>;
  /** Every service whose endpoints it needs, existing or not, as `namespace/name`. */
  readonly services: ReadonlySet<string>;
  /** A change of anything attached to one of these may change the scope; nothing else does. */
  readonly topics: ReadonlySet<Topic>;
}

/**
 * Own service, the services that it calls, and those that routes attached to any of them send to, on and on; whatever is
 * attached to the mesh, to the namespaces of these services, to the services, and to their routes. What is for sidecars
 * beside its targets comes with the own service and its namespace only, and so do the services that it leads to.
 */
export function scopeOf(index: MeshIndex, own: string, subscriptions: Iterable<string>): Scope {
  const resources = new Map<string, EncodedResource>();
  const services = new Set<string>();
  const topics = new Set<Topic>();
  const waiting: Topic[] = [];
  const hear = (topic: Topic): void => {
    if (topics.has(topic)) return;
    topics.add(topic);
    waiting.push(topic);
  };
  const need = (service: string): void => {
    services.add(service);
    hear(serviceTopic(service));
    hear(namespaceTopic(service.slice(0, service.indexOf('/'))));
  };

  hear(meshTopic);
  need(own);
  const beside = new Set(topics);
  for (const service of subscriptions) need(service);
  for (let topic = waiting.pop(); topic !== undefined; topic = waiting.pop()) {
    for (const key of index.attached(topic)) {
      const found = index.get(key);
      if (found === undefined || resources.has(key) || (found.besideOnly && !beside.has(topic))) continue;
      resources.set(key, found.encoded);
      if (found.backends === undefined) continue;
      for (const service of found.backends) need(service);
      if (!found.besideOnly) hear(topicOf({ ...found.encoded.key, kind: 'Route' }));
    }
  }
  return { resources, services, topics };
}

/** True when both say the same to a sidecar. */
export function sameScope(a: Scope, b: Scope): boolean {
  if (a.resources.size !== b.resources.size || a.services.size !== b.services.size) return false;
  for (const [key, resource] of a.resources) if (b.resources.get(key)?.version !== resource.version) return false;
  for (const service of a.services) if (!b.services.has(service)) return false;
  return true;
}
