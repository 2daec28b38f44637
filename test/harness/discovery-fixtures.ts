/** Kinds, resources and a registry of the least that tests of snapshots and discovery need. */
import { z } from 'zod';
import type { Declared, Registry, RegistryEndpoint, SidecarSource } from '../../control-plane/registry/registry.ts';
import { contentHash } from '../../lib/canonical.ts';
import type { KindSchema } from '../../policies/policy.ts';
import { type Resource, serviceKey, type Target } from '../../policies/resource.ts';

interface RouteSpec {
  readonly parents: readonly string[];
  readonly backends: readonly string[];
}
interface UpstreamSpec {
  readonly beside: readonly Target[];
  readonly service: string;
}
interface PolicySpec {
  readonly targets: readonly Target[];
  readonly value: string;
}

const schema = { apiVersions: ['weft.dev/v1'] as const, summary: 'a kind of the tests', spec: z.unknown() };
const keyOfService = (name: string) => ({ kind: 'Service', namespace: 'default', name });

const service: KindSchema = {
  ...schema,
  kind: 'Service',
  attaches: ({ metadata }) => [
    { kind: 'Service', namespace: metadata.namespace, name: metadata.name, path: 'metadata' },
  ],
};
const route: KindSchema = {
  ...schema,
  kind: 'HTTPRoute',
  attaches: ({ spec }) =>
    (spec as RouteSpec).parents.map((name) => ({ kind: 'Service', namespace: 'default', name, path: 'spec.parents' })),
  backends: ({ spec }) =>
    (spec as RouteSpec).backends.map((name) => ({ key: keyOfService(name), path: 'spec.backends' })),
};
const policy: KindSchema = {
  ...schema,
  kind: 'RetryPolicy',
  attaches: ({ spec }) => (spec as PolicySpec).targets.map((target) => ({ ...target, path: 'spec.targets' })),
};

const upstream: KindSchema = {
  ...schema,
  kind: 'Upstream',
  besideOnly: true,
  attaches: ({ spec }) => (spec as UpstreamSpec).beside.map((target) => ({ ...target, path: 'spec.beside' })),
  backends: ({ spec }) => [{ key: keyOfService((spec as UpstreamSpec).service), path: 'spec.service' }],
};

export const testKinds: ReadonlyMap<string, KindSchema> = new Map(
  [service, route, policy, upstream].map((kind) => [kind.kind, kind]),
);

const resource = (kind: string, name: string, spec: unknown): Resource => ({
  apiVersion: 'weft.dev/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});

export const aService = (name: string, spec: unknown = { ports: [{ port: 80 }] }): Resource =>
  resource('Service', name, spec);
export const aRoute = (name: string, parents: string[], backends: string[]): Resource =>
  resource('HTTPRoute', name, { parents, backends });
export const aPolicy = (name: string, target: Target, value = 'x'): Resource =>
  resource('RetryPolicy', name, { targets: [target], value });
export const anUpstream = (name: string, service: string, ...beside: Target[]): Resource =>
  resource('Upstream', name, { beside, service });
export const atService = (name: string): Target => ({ kind: 'Service', namespace: 'default', name });
export const atRoute = (name: string): Target => ({ kind: 'Route', namespace: 'default', name });
export const atNamespace = (name: string): Target => ({ kind: 'Namespace', namespace: '', name });

export const key = (name: string): string => serviceKey('default', name);

/** A registry of one source, both ends of it in one object. */
export function testRegistry(): SidecarSource &
  Registry & { add(name: string, id: string, port?: number, declared?: Declared): void } {
  const services = new Map<string, Map<string, RegistryEndpoint>>();
  const watchers = new Set<(service: string) => void>();
  const tell = (name: string): void => {
    for (const watcher of [...watchers]) watcher(name);
  };
  const source: ReturnType<typeof testRegistry> = {
    name: 'sidecar',
    endpoints: (name) => [...(services.get(name)?.values() ?? [])],
    services: () => [...services.keys()],
    declared: (name) => [...(services.get(name)?.values() ?? [])][0]?.declared,
    subscribe(watcher) {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    put(name, endpoint) {
      const byId = services.get(name) ?? new Map<string, RegistryEndpoint>();
      services.set(name, byId);
      byId.set(endpoint.id, { ...endpoint, source: 'sidecar', version: contentHash(JSON.stringify(endpoint)) });
      tell(name);
    },
    putUnready: (name, endpoint) => source.remove(name, endpoint.id),
    unready: () => [],
    onUnready: () => () => {},
    remove(name, id) {
      if (!services.get(name)?.delete(id)) return;
      if (services.get(name)?.size === 0) services.delete(name);
      tell(name);
    },
    add: (name, id, port = 80, declared) =>
      source.put(key(name), { id, address: '10.0.0.1', port, weight: 1, identity: '', locality: '', declared }),
    close: async () => {},
  };
  return source;
}
