import { type Resource, serviceKey, type Target } from './resource.ts';

/** What one place says, such as a policy on a namespace. */
export interface Layer {
  /** `Kind namespace/name`, or `builtin`. */
  readonly origin: string;
  readonly spec: unknown;
}

/** One value of a merged spec, and who said it. */
export interface MergedField {
  readonly path: string;
  readonly value: unknown;
  readonly origin: string;
}

/**
 * Merges layers field by field, the later ones winning: objects are merged within, lists and plain values are replaced
 * whole. `targetRefs` says where a policy is attached and is no part of the result.
 */
export function mergeLayers(layers: readonly Layer[]): {
  readonly spec: object;
  readonly fields: readonly MergedField[];
} {
  const fields = new Map<string, MergedField>();
  let spec: Record<string, unknown> = {};
  for (const layer of layers) {
    const { targetRefs: _, ...said } = layer.spec as Record<string, unknown>;
    spec = mergeInto(spec, said, '', layer.origin, fields);
  }
  return { spec, fields: [...fields.values()] };
}

function mergeInto(
  base: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
  prefix: string,
  origin: string,
  fields: Map<string, MergedField>,
): Record<string, unknown> {
  const merged = { ...base };
  for (const [name, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const below = merged[name];
    if (isFields(value)) {
      merged[name] = mergeInto(isFields(below) ? below : {}, value, path, origin, fields);
    } else {
      merged[name] = value;
      fields.set(path, { path, value, origin });
    }
  }
  return merged;
}

const isFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ranks = { Mesh: 0, Namespace: 1, Service: 2, Route: 3 } as const satisfies Record<Target['kind'], number>;

/**
 * How specific a target is for requests to a service, on a route if there is one; undefined where it does not apply. The
 * higher wins; of equals the one whose `namespace/name` comes first.
 */
export function rankOf(
  target: Target,
  service: { readonly namespace: string; readonly name: string },
  route?: { readonly namespace: string; readonly name: string },
): number | undefined {
  const applies =
    target.kind === 'Mesh' ||
    (target.kind === 'Namespace' && target.name === service.namespace) ||
    (target.kind === 'Service' && target.namespace === service.namespace && target.name === service.name) ||
    (target.kind === 'Route' && target.namespace === route?.namespace && target.name === route.name);
  return applies ? ranks[target.kind] : undefined;
}

/** Puts the policies that apply in the order in which `mergeLayers` takes them: the winner last. */
export function inOrder<T extends { readonly resource: Resource; readonly rank: number }>(applying: readonly T[]): T[] {
  const name = ({ resource: { metadata } }: T): string => serviceKey(metadata.namespace, metadata.name);
  return applying.toSorted((a, b) => a.rank - b.rank || (name(a) > name(b) ? -1 : 1));
}
