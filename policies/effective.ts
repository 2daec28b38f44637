import { keyOf, keyText, type Resource, serviceKey, type Target } from './resource.ts';

/** A policy with what it is attached to: `policyTargets(resource)`. */
export interface Attached {
  readonly resource: Resource;
  readonly targets: readonly Target[];
}

export interface Effective {
  /** The merged spec, in the normalised form, without `targetRefs`. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** Where each value comes from, by its path (`backoff.baseMs`): `Kind namespace/name`, or `builtin`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Two policies of one target that say different things of the same field. */
export interface Conflict {
  readonly target: Target;
  /** `spec.backoff.baseMs` */
  readonly path: string;
  /** The one that is in force: first by `namespace/name`. */
  readonly winner: Resource;
  readonly loser: Resource;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * What is in force for one place: `builtin`, then each target of `chain`, from the least specific (Mesh, Namespace,
 * Service, Route) to the most, a later one winning field by field. Objects merge deeply, lists replace. Of policies on
 * one target the first by `namespace/name` wins. Policies of other kinds, and on targets outside the chain, play no part.
 */
export function effective(
  kind: string,
  builtin: unknown,
  policies: readonly Attached[],
  chain: readonly Target[],
): Effective {
  const origins = new Map<string, string>();
  let spec = overlay({}, asFields(builtin), 'builtin', '', origins);
  const sorted = policies.filter(({ resource }) => resource.kind === kind).sort(lastFirst);
  for (const place of chain)
    for (const { resource, targets } of sorted)
      if (targets.some((target) => sameTarget(target, place)))
        spec = overlay(spec, settings(resource), keyText(keyOf(resource)), '', origins);
  return { spec, origins };
}

/** The resources that had a say, for replies and logs: `Kind namespace/name`, joined with `, `; '' when none had. */
export const originText = ({ origins }: Effective): string =>
  [...new Set(origins.values())]
    .filter((origin) => origin !== 'builtin')
    .sort()
    .join(', ');

/** Fields that two policies of one kind set differently on the same target: admission refuses them. */
export function conflicts(policies: readonly Attached[]): readonly Conflict[] {
  const found: Conflict[] = [];
  const said = new Map<string, Map<string, { resource: Resource; value: string }>>();
  for (const { resource, targets } of [...policies].sort((a, b) => lastFirst(b, a)))
    for (const target of targets) {
      const place = `${resource.kind} ${target.kind} ${target.namespace}/${target.name}`;
      const fields = said.get(place) ?? new Map<string, { resource: Resource; value: string }>();
      said.set(place, fields);
      for (const [path, value] of leaves(settings(resource), 'spec')) {
        const text = JSON.stringify(value);
        const before = fields.get(path);
        if (before === undefined) fields.set(path, { resource, value: text });
        else if (before.value !== text) found.push({ target, path, winner: before.resource, loser: resource });
      }
    }
  return found;
}

export const sameTarget = (a: Target, b: Target): boolean =>
  a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;

/** From the last to the first by `namespace/name`, so that what is laid on top at the end is the first. */
const lastFirst = (a: Attached, b: Attached): number => (nameOf(a) < nameOf(b) ? 1 : nameOf(a) > nameOf(b) ? -1 : 0);
const nameOf = ({ resource }: Attached): string => serviceKey(resource.metadata.namespace, resource.metadata.name);

/** Everything that a policy says, without where it says it. */
const settings = (resource: Resource): Fields =>
  Object.fromEntries(Object.entries(asFields(resource.spec)).filter(([field]) => field !== 'targetRefs'));

function overlay(below: Fields, above: Fields, origin: string, prefix: string, origins: Map<string, string>): Fields {
  // A map, since a field may be called anything, `__proto__` included, when it comes over the wire.
  const merged = new Map(Object.entries(below));
  for (const [field, value] of Object.entries(above)) {
    if (value === undefined) continue;
    const path = prefix + field;
    if (isFields(value)) merged.set(field, overlay(asFields(merged.get(field)), value, origin, `${path}.`, origins));
    else {
      merged.set(field, value);
      origins.set(path, origin);
    }
  }
  return Object.fromEntries(merged);
}

function* leaves(fields: Fields, prefix: string): Iterable<readonly [path: string, value: unknown]> {
  for (const [field, value] of Object.entries(fields))
    if (isFields(value)) yield* leaves(value, `${prefix}.${field}`);
    else yield [`${prefix}.${field}`, value];
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const asFields = (value: unknown): Fields => (isFields(value) ? value : {});
