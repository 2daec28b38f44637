import { effective } from '../../policies/effective.ts';
import { meshTarget, type Resource, serviceKey, type Target } from '../../policies/resource.ts';
import { userForm, userPath } from '../../policies/user-form.ts';
import type { ApiEffective } from '../../proto/api/api.ts';
import type { State } from '../store/store.ts';
import type { Catalog } from './catalog.ts';

/** Which policies to show; all where nothing is said. */
export interface EffectiveQuery {
  readonly kind?: string | undefined;
  readonly namespace?: string | undefined;
  readonly service?: string | undefined;
}

/**
 * Every policy as it applies to each service, with the origin of each value. Policies on routes have no part in it: they
 * apply to some requests to the service only.
 */
export function effectivePolicies(
  state: State,
  catalog: Catalog,
  registered: readonly string[],
  query: EffectiveQuery,
): ApiEffective[] {
  const resources = [...state.resources.values()];
  const shown = [...catalog].filter(
    ([kind, { role }]) => role === 'policy' && (query.kind === undefined || query.kind === kind),
  );
  return servicesOf(resources, catalog, registered).flatMap((key) => {
    const [namespace = '', service = ''] = key.split('/');
    if (query.namespace !== undefined && query.namespace !== namespace) return [];
    if (query.service !== undefined && query.service !== service) return [];
    const chain: readonly Target[] = [
      meshTarget,
      { kind: 'Namespace', namespace: '', name: namespace },
      { kind: 'Service', namespace, name: service },
    ];
    return shown.map(([kind, { schema }]) => {
      const attached = resources
        .filter((resource) => resource.kind === kind)
        .map((resource) => ({ resource, targets: schema.attaches(resource) }));
      const { spec, origins } = effective(kind, schema.builtin, attached, chain);
      const fields = [...origins].map(([path, origin]) => ({
        path: userPath(path),
        value: valueAt(userForm(spec), userPath(path)),
        origin,
      }));
      return { kind, namespace, service, fields };
    });
  });
}

/** Services that are declared or known otherwise, as `namespace/name`, in order. */
export function servicesOf(resources: readonly Resource[], catalog: Catalog, registered: readonly string[]): string[] {
  const declared = resources
    .filter(({ kind }) => catalog.get(kind)?.role === 'service')
    .map(({ metadata }) => serviceKey(metadata.namespace, metadata.name));
  return [...new Set([...declared, ...registered])].sort();
}

const valueAt = (spec: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((value, field) => (value as Record<string, unknown>)[field], spec);
