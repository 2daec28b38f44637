import type { EndpointChange } from '../../proto/gen/weft/v1/EndpointChange.ts';
import type { Push } from '../../proto/gen/weft/v1/Push.ts';
import type { EndpointChoice, EndpointView } from '../snapshots/endpoints.ts';
import type { EncodedResource } from '../snapshots/mesh-index.ts';
import type { Scope } from '../snapshots/scope.ts';

/** What a sidecar runs. Replaced, never changed. */
export interface Held {
  /** The scope that the resources came from; undefined when the sidecar told them. */
  readonly scope: Scope | undefined;
  /** By `keyText`. */
  readonly resources: ReadonlyMap<string, Pick<EncodedResource, 'key' | 'version'>>;
  /** By `namespace/name`; undefined: told that there is no such service. */
  readonly services: ReadonlyMap<string, EndpointView | undefined>;
  /** Of services that are there: their addresses on loopback, as far as they were told. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Content hash of the trusted roots. */
  readonly roots: string;
}

export const holdsNothing: Held = {
  scope: undefined,
  resources: new Map(),
  services: new Map(),
  addresses: new Map(),
  roots: '',
};

/** The mesh at the moment at which a push is made. */
export interface World {
  /** The revision that scopes are made of. */
  readonly revision: number;
  readonly roots: { readonly version: string; readonly certificates: readonly Uint8Array[] };
  /** The endpoints of a service, and the difference to what is held; undefined: there is no such service. */
  endpoints(service: string, held: EndpointView | undefined): EndpointChoice | undefined;
  /** The address on loopback of a service that is there; '' while it is not known. */
  address(service: string): string;
}

export interface Problem {
  /** `Kind namespace/name`, or ''. */
  readonly resource: string;
  readonly path: string;
  readonly message: string;
}

export type SyncState = 'synced' | 'pending' | 'rejected';

interface InFlight {
  readonly nonce: number;
  readonly revision: number;
  /** What the sidecar will run when it acknowledges. */
  readonly target: Held;
  /** The scope that is refused with it; undefined when its resources were left out. */
  readonly scope: Scope | undefined;
  readonly scopeChanged: boolean;
}

/** Larger pushes would be refused by the sidecar's own limit (32 MiB); estimated from below. */
const maxPushBytes = 30 * 1024 * 1024;
const endpointBytes = 200;

/**
 * One sidecar's side of the stream, without the stream: what it holds, what it should hold, and the smallest push between
 * the two. At most one push is under way; whatever changes meanwhile is worked out when the next one is made, so a slow
 * sidecar costs one push of memory and always gets the latest.
 *
 * A refused scope is not sent again until it changes. Until then the sidecar keeps the resources that it runs, and goes on
 * hearing of endpoints of the services that it knows: those must not grow stale because of somebody's bad policy.
 */
export class Subscription {
  #held: Held;
  #scope: Scope;
  #refused: Scope | undefined;
  #inFlight: InFlight | undefined;
  #nonce = 0;
  /** Services whose endpoints may have changed since they were sent. */
  #dirty = new Set<string>();
  /** Hello waits for its answer, which is sent even when there is nothing to say. */
  #answered = false;
  /** The last push was refused and had endpoints only: wait until something changes. */
  #paused = false;
  #synced = false;
  #base: number;
  /** First revisions that the sidecar does not run: since the push under way was made, and over all. */
  #changedAt: number | undefined;
  #changedInFlight: number | undefined;
  #problems: readonly Problem[] = [];

  /** `revision` is the one that the sidecar says it runs; 0 asks for everything. */
  constructor(scope: Scope, held: Held, revision: number) {
    this.#scope = scope;
    this.#held = revision === 0 ? holdsNothing : held;
    this.#base = revision;
  }

  /** The scope has become another: by a revision, or (without one) because the sidecar asked for other services. */
  want(scope: Scope, revision?: number): void {
    this.#scope = scope;
    this.#paused = false;
    this.#changedAt ??= revision;
    if (this.#inFlight !== undefined) this.#changedInFlight ??= revision;
  }

  /** Endpoints of a service may have changed, or the service came or went. */
  touch(service: string): void {
    this.#dirty.add(service);
    this.#paused = false;
  }

  touchAll(): void {
    for (const service of this.services()) this.touch(service);
  }

  /** Services whose endpoints it must hear of. */
  services(): Iterable<string> {
    return this.#withheld ? this.#held.services.keys() : this.#scope.services;
  }

  /** The next push; undefined when there is nothing to send, or nothing may be sent now. */
  next(world: World): Push | undefined {
    if (this.#inFlight !== undefined || this.#paused) return undefined;
    const withheld = this.#withheld;
    const empty = !this.#synced && this.#base === 0;
    if (withheld && empty) return undefined; // without resources it would look like a mesh that has none
    const scopeChanged = !withheld && this.#held.scope !== this.#scope;
    const roots = this.#held.roots === world.roots.version ? [] : world.roots.certificates;
    if (!scopeChanged && this.#dirty.size === 0 && this.#answered && roots.length === 0) return undefined;

    const { resources, removed } = scopeChanged ? this.#resourceChanges() : { resources: [], removed: [] };
    const { services, addresses, changes, existence } = this.#endpointChanges(world, scopeChanged);
    this.#dirty.clear();
    const target: Held = {
      scope: withheld ? this.#held.scope : this.#scope,
      resources: withheld ? this.#held.resources : this.#scope.resources,
      services,
      addresses,
      roots: world.roots.version,
    };
    const nothing = resources.length + removed.length + changes.length + roots.length === 0 && !existence;
    if (nothing && this.#answered) {
      this.#held = target;
      if (!withheld) this.#caughtUp(world.revision);
      return undefined;
    }

    const bytes = sizeOf(resources, changes);
    if (bytes > maxPushBytes) {
      this.#refuse([
        { resource: '', path: '', message: `needs ${bytes} octets of configuration; the limit is ${maxPushBytes}` },
      ]);
      return undefined;
    }
    const revision = withheld ? this.revision(world.revision) : world.revision;
    const nonce = ++this.#nonce;
    this.#answered = true;
    this.#inFlight = { nonce, revision, target, scope: withheld ? undefined : this.#scope, scopeChanged };
    return {
      nonce,
      revision,
      resources,
      removed,
      endpoints: changes,
      absent: [...services].filter(([, view]) => view === undefined).map(([service]) => serviceKeyOf(service)),
      roots: [...roots] as Buffer[],
      full: empty,
    };
  }

  /** The sidecar runs the push. False when the nonce is not that of the push under way: then nothing happens. */
  ack(nonce: number): boolean {
    const sent = this.#inFlight;
    if (sent?.nonce !== nonce) return false;
    this.#inFlight = undefined;
    this.#held = sent.target;
    this.#synced = true;
    if (sent.scope === undefined) return true;
    const later = this.#changedInFlight;
    this.#caughtUp(sent.revision);
    this.#changedAt = later;
    return true;
  }

  /** The sidecar refuses the push and runs what it ran. False when the nonce is not that of the push under way. */
  nack(nonce: number, problems: readonly Problem[]): boolean {
    const sent = this.#inFlight;
    if (sent?.nonce !== nonce) return false;
    this.#inFlight = undefined;
    this.#changedInFlight = undefined;
    this.#problems = problems;
    if (sent.scopeChanged) this.#refused = sent.scope;
    else this.#paused = this.#scope === this.#held.scope || this.#withheld;
    for (const service of this.#held.services.keys()) this.#dirty.add(service);
    return true;
  }

  /** The newest revision that the sidecar runs, given the present one. Revisions that do not concern it count as run. */
  revision(current: number): number {
    if (!this.#synced) return Math.min(this.#base, current);
    return this.#changedAt === undefined ? current : Math.max(this.#base, this.#changedAt - 1);
  }

  get state(): SyncState {
    if (this.#problems.length > 0) return 'rejected';
    return this.#synced && this.#inFlight === undefined && this.#changedAt === undefined ? 'synced' : 'pending';
  }

  /** Why the last push was refused; empty when it was not. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get #withheld(): boolean {
    return this.#refused === this.#scope;
  }

  #caughtUp(revision: number): void {
    this.#base = revision;
    this.#changedAt = undefined;
    this.#changedInFlight = undefined;
    this.#refused = undefined;
    this.#problems = [];
  }

  #refuse(problems: readonly Problem[]): void {
    this.#problems = problems;
    this.#refused = this.#scope;
    this.#paused = true;
  }

  #resourceChanges(): { resources: Push['resources'] & object; removed: Push['removed'] & object } {
    const resources: EncodedResource[] = [];
    for (const [key, resource] of this.#scope.resources) {
      if (this.#held.resources.get(key)?.version !== resource.version) resources.push(resource);
    }
    const removed = [...this.#held.resources]
      .filter(([key]) => !this.#scope.resources.has(key))
      .map(([, { key }]) => key);
    return { resources: resources as Push['resources'] & object, removed };
  }

  #endpointChanges(world: World, scopeChanged: boolean) {
    const held = this.#held.services;
    const services = new Map(scopeChanged ? undefined : held);
    const addresses = new Map(this.#held.addresses);
    const changes: EndpointChange[] = [];
    let existence = false;
    for (const service of scopeChanged ? this.#scope.services : this.#dirty) {
      if (!scopeChanged && !held.has(service)) continue;
      const before = held.get(service);
      const now = world.endpoints(service, before);
      services.set(service, now?.view);
      if ((now === undefined) !== (before === undefined) || !held.has(service)) existence = true;
      if (now === undefined) {
        addresses.delete(service);
        continue;
      }
      const { added, removed } = now.delta;
      const address = world.address(service);
      // One that is not known now is still the one that was told: it never becomes another.
      const localAddress = address === addresses.get(service) ? '' : address;
      if (localAddress !== '') addresses.set(service, localAddress);
      if (before !== undefined && added.length + removed.length === 0 && localAddress === '') continue;
      changes.push({ service: serviceKeyOf(service), added: [...added], removed: [...removed], localAddress });
    }
    for (const [service, before] of held) {
      if (services.has(service)) continue;
      existence = true;
      addresses.delete(service);
      if (before !== undefined) changes.push({ service: serviceKeyOf(service), dropped: true });
    }
    return { services, addresses, changes, existence };
  }
}

const serviceKeyOf = (service: string): { namespace: string; name: string } => {
  const slash = service.indexOf('/');
  return { namespace: service.slice(0, slash), name: service.slice(slash + 1) };
};

function sizeOf(resources: Push['resources'] & object, changes: readonly EndpointChange[]): number {
  let bytes = 0;
  for (const resource of resources) bytes += (resource.spec?.length ?? 0) + endpointBytes;
  for (const change of changes) bytes += ((change.added?.length ?? 0) + 1) * endpointBytes;
  return bytes;
}
