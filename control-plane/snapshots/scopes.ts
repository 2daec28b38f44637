import type { Declared } from '../registry/registry.ts';
import type { Mutation } from '../store/store.ts';
import type { MeshIndex, Topic } from './mesh-index.ts';
import { type Scope, sameScope, scopeOf } from './scope.ts';

/** Whoever is told when its scope becomes another. */
export interface ScopeMember {
  onScope(scope: Scope): void;
}

interface Group {
  readonly own: string;
  readonly subscriptions: readonly string[];
  readonly members: Set<ScopeMember>;
  scope: Scope;
}

/**
 * The scopes of all connected sidecars. Those that need the same share one, and a revision touches only the groups that
 * hear of what it changes: its cost follows the sidecars affected, not the size of the mesh.
 */
export class Scopes {
  readonly #index: MeshIndex;
  readonly #groups = new Map<string, Group>();
  readonly #byTopic = new Map<Topic, Set<Group>>();
  readonly #groupOf = new Map<ScopeMember, string>();

  constructor(index: MeshIndex) {
    this.#index = index;
  }

  /** Puts a member into the group of these needs, out of the one that it was in. Gives the scope. */
  join(member: ScopeMember, own: string, subscriptions: Iterable<string>): Scope {
    const sorted = [...new Set(subscriptions)].sort();
    const key = [own, ...sorted].join(' ');
    if (this.#groupOf.get(member) !== key) this.leave(member);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { own, subscriptions: sorted, members: new Set(), scope: scopeOf(this.#index, own, sorted) };
      this.#groups.set(key, group);
      this.#hear(group, group.scope.topics);
    }
    group.members.add(member);
    this.#groupOf.set(member, key);
    return group.scope;
  }

  leave(member: ScopeMember): void {
    const key = this.#groupOf.get(member);
    const group = key === undefined ? undefined : this.#groups.get(key);
    if (key === undefined || group === undefined) return;
    this.#groupOf.delete(member);
    group.members.delete(member);
    if (group.members.size > 0) return;
    this.#groups.delete(key);
    this.#forget(group, group.scope.topics);
  }

  /** Brings the index and every affected scope up to date, then tells the members whose scope differs. */
  apply(mutations: readonly Mutation[]): void {
    this.#renew(mutations.map((mutation) => this.#index.apply(mutation)));
  }

  /** The same for what a service says that has joined; undefined: it is forgotten. */
  joined(service: string, declared: Declared | undefined): void {
    this.#renew([this.#index.join(service, declared)]);
  }

  #renew(changed: readonly ReadonlySet<Topic>[]): void {
    const affected = new Set<Group>();
    for (const topics of changed)
      for (const topic of topics) for (const group of this.#byTopic.get(topic) ?? []) affected.add(group);
    for (const group of affected) {
      const next = scopeOf(this.#index, group.own, group.subscriptions);
      if (sameScope(group.scope, next)) continue;
      this.#forget(group, group.scope.topics);
      group.scope = next;
      this.#hear(group, next.topics);
      for (const member of [...group.members]) member.onScope(next);
    }
  }

  /** For tests: how many groups and topics are held. */
  get size(): { readonly groups: number; readonly topics: number } {
    return { groups: this.#groups.size, topics: this.#byTopic.size };
  }

  #hear(group: Group, topics: ReadonlySet<Topic>): void {
    for (const topic of topics) {
      const groups = this.#byTopic.get(topic);
      if (groups === undefined) this.#byTopic.set(topic, new Set([group]));
      else groups.add(group);
    }
  }

  #forget(group: Group, topics: ReadonlySet<Topic>): void {
    for (const topic of topics) {
      const groups = this.#byTopic.get(topic);
      groups?.delete(group);
      if (groups?.size === 0) this.#byTopic.delete(topic);
    }
  }
}
