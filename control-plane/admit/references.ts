import type { Issues } from '../../lib/issues.ts';
import { conflicts } from '../../policies/effective.ts';
import { keyOf, keyText, type Resource, type ResourceKey, serviceKey, type Target } from '../../policies/resource.ts';
import { userPath } from '../../policies/user-form.ts';
import type { Catalog } from './catalog.ts';
import type { Read } from './read.ts';

/** A mention of something else in a resource. */
interface Mention {
  readonly kind: 'Service' | 'Route';
  /** `namespace/name`. */
  readonly key: string;
  readonly path: string;
}

/** Everything that `after` has, and what the registry knows besides. */
interface Present {
  readonly catalog: Catalog;
  readonly after: ReadonlyMap<string, Resource>;
  /** Whether the registry has seen this service, as `namespace/name`. */
  readonly knowsService: (service: string) => boolean;
}

/**
 * Checks that whatever the changed resources mention is there, and that nothing that stays mentions what goes. Only the
 * change is judged: a service that has since left the registry does not block a change elsewhere.
 */
export function checkReferences(
  change: { readonly read: readonly Read[]; readonly deleted: readonly ResourceKey[] },
  present: Present,
  issues: Issues,
): void {
  const exists = existence(present);
  for (const { resource, index } of change.read) {
    for (const mention of mentionsOf(resource, present.catalog)) {
      if (exists(mention)) continue;
      const nearby = mention.kind === 'Service' ? 'neither a resource nor in the registry' : 'no resource';
      issues.add(mention.path, `${mention.kind} ${mention.key} does not exist: it is ${nearby}`, { resource: index });
    }
  }
  if (change.deleted.length === 0) return;

  const changed = new Set(change.read.map(({ resource }) => keyText(keyOf(resource))));
  const dangling = new Map<string, string[]>();
  for (const [key, resource] of present.after) {
    if (changed.has(key)) continue;
    for (const mention of mentionsOf(resource, present.catalog)) {
      if (exists(mention)) continue;
      const known = dangling.get(`${mention.kind} ${mention.key}`) ?? [];
      known.push(`${key} (${mention.path})`);
      dangling.set(`${mention.kind} ${mention.key}`, known);
    }
  }
  for (const [at, key] of change.deleted.entries()) {
    const role = present.catalog.get(key.kind)?.role;
    const name = serviceKey(key.namespace, key.name);
    const users = role === 'service' || role === 'route' ? dangling.get(`${targetKind(role)} ${name}`) : undefined;
    if (users !== undefined) issues.add(`delete[${at}]`, `${keyText(key)} is still used by ${listed(users)}`);
  }
}

/**
 * Two policies that say different things of one field of one target leave it to their names who wins. Whoever adds the
 * second one is told; one that is there already does not block other changes.
 */
export function checkConflicts(
  read: readonly Read[],
  { catalog, after }: Pick<Present, 'catalog' | 'after'>,
  issues: Issues,
): void {
  const index = new Map(read.map((entry) => [entry.resource, entry.index]));
  const policies = [...after.values()].flatMap((resource) => {
    const known = catalog.get(resource.kind);
    return known?.role === 'policy' ? [{ resource, targets: known.schema.attaches(resource) }] : [];
  });
  for (const { target, path, winner, loser } of conflicts(policies)) {
    const [mine, other] = index.has(loser) ? [loser, winner] : [winner, loser];
    const resource = index.get(mine);
    if (resource === undefined) continue;
    const place = target.kind === 'Mesh' ? 'the mesh' : `${target.kind} ${nameOf(target)}`;
    issues.add(userPath(path), `${keyText(keyOf(other))} says otherwise for ${place}: leave it to one of them`, {
      resource,
    });
  }
}

const nameOf = ({ kind, namespace, name }: Target): string =>
  kind === 'Namespace' ? name : serviceKey(namespace, name);

const targetKind = (role: 'service' | 'route'): Mention['kind'] => (role === 'service' ? 'Service' : 'Route');

function existence({ catalog, after, knowsService }: Present): (mention: Mention) => boolean {
  const names = { Service: new Set<string>(), Route: new Set<string>() };
  for (const resource of after.values()) {
    const role = catalog.get(resource.kind)?.role;
    if (role === 'service' || role === 'route')
      names[targetKind(role)].add(serviceKey(resource.metadata.namespace, resource.metadata.name));
  }
  return ({ kind, key }) => names[kind].has(key) || (kind === 'Service' && knowsService(key));
}

function mentionsOf(resource: Resource, catalog: Catalog): Mention[] {
  const known = catalog.get(resource.kind);
  if (known === undefined) return [];
  const mentions: Mention[] = [];
  // A service is attached to itself.
  for (const target of known.role === 'service' ? [] : known.schema.attaches(resource)) {
    if (target.kind === 'Service' || target.kind === 'Route')
      mentions.push({ kind: target.kind, key: serviceKey(target.namespace, target.name), path: target.path });
  }
  for (const { key, path } of known.schema.backends?.(resource) ?? [])
    mentions.push({ kind: 'Service', key: serviceKey(key.namespace, key.name), path });
  return mentions;
}

function listed(users: readonly string[]): string {
  const shown = users.slice(0, 5).join(', ');
  return users.length > 5 ? `${shown} and ${users.length - 5} more` : shown;
}
