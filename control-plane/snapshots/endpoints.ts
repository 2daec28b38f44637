import type { Clock } from '../../lib/clock.ts';
import type { Registry, RegistryEndpoint } from '../registry/registry.ts';

/** The endpoints of a service at one moment, by id. Never changed once made, and shared by all sidecars that hold it. */
export interface EndpointView {
  /** Another for every view of this table; `told` for what a sidecar says it holds. */
  readonly generation: number;
  readonly byId: ReadonlyMap<string, { readonly version: string }>;
}

/** What turns one view into another. */
interface EndpointDelta {
  readonly added: readonly RegistryEndpoint[];
  readonly removed: readonly string[];
}

export interface EndpointChoice {
  readonly view: EndpointView;
  readonly delta: EndpointDelta;
}

/** Generation of a view that came from a sidecar. */
export const told = -1;

interface TableView extends EndpointView {
  readonly byId: ReadonlyMap<string, RegistryEndpoint>;
  /** The generation that `delta` starts from. */
  readonly from: number;
  readonly delta: EndpointDelta;
}

/** Whoever is told that endpoints of a service that it watches have changed. */
export interface EndpointWatcher {
  onEndpoints(service: string): void;
}

/** Quiet time that a change waits for more to come, and the longest that it waits, in ms. */
const quietMs = 10;
const longestMs = 200;
const noDelta: EndpointDelta = { added: [], removed: [] };

/**
 * The registry as views with deltas. The difference of two neighbouring views is worked out once, whatever the number of
 * sidecars it goes to. Holds only services that somebody watches. Bursts of changes are told once.
 */
export class EndpointTable {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #views = new Map<string, TableView>();
  readonly #watchers = new Map<string, Set<EndpointWatcher>>();
  readonly #stale = new Set<string>();
  readonly #changed = new Set<string>();
  readonly #unsubscribe: () => void;
  #generation = 0;
  #firstChangeMs = 0;
  #cancelFlush: (() => void) | undefined;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
    this.#unsubscribe = registry.subscribe((service) => this.#onChange(service));
  }

  /** The endpoints as the registry has them now, debounce or not. */
  view(service: string): EndpointView {
    const known = this.#views.get(service);
    if (known !== undefined && !this.#stale.delete(service)) return known;
    const byId = new Map(this.#registry.endpoints(service).map((endpoint) => [endpoint.id, endpoint]));
    const delta = known === undefined ? noDelta : compare(known, byId);
    if (known !== undefined && delta.added.length === 0 && delta.removed.length === 0) return known;
    this.#generation++;
    const view = { generation: this.#generation, byId, from: known?.generation ?? this.#generation, delta };
    if (this.#watchers.has(service)) this.#views.set(service, view);
    return view;
  }

  /**
   * The present view, and what turns the one that a sidecar holds into it. Ids of which `keep` says so stay in a view
   * that a sidecar told, though the registry does not know them (yet).
   */
  resolve(service: string, held: EndpointView | undefined, keep: (id: string) => boolean): EndpointChoice {
    const now = this.view(service) as TableView;
    if (held === undefined) return { view: now, delta: { added: [...now.byId.values()], removed: [] } };
    if (held.generation === now.generation) return { view: now, delta: noDelta };
    if (held.generation === now.from) return { view: now, delta: now.delta };
    const delta = compare(held, now.byId);
    const kept = held.generation === told ? delta.removed.filter(keep) : [];
    if (kept.length === 0) return { view: now, delta };
    const byId = new Map<string, { readonly version: string }>(now.byId);
    for (const id of kept) byId.set(id, held.byId.get(id)!);
    const removed = delta.removed.filter((id) => !byId.has(id));
    return { view: { generation: told, byId }, delta: { added: delta.added, removed } };
  }

  watch(service: string, watcher: EndpointWatcher): void {
    const watchers = this.#watchers.get(service);
    if (watchers === undefined) this.#watchers.set(service, new Set([watcher]));
    else watchers.add(watcher);
  }

  unwatch(service: string, watcher: EndpointWatcher): void {
    const watchers = this.#watchers.get(service);
    watchers?.delete(watcher);
    if (watchers === undefined || watchers.size > 0) return;
    this.#watchers.delete(service);
    this.#views.delete(service);
    this.#stale.delete(service);
    this.#changed.delete(service);
  }

  /** Something else that watchers of a service must know of has changed. */
  tell(service: string): void {
    this.#onChange(service);
  }

  /** For tests: how many services are held. */
  get size(): number {
    return this.#watchers.size + this.#views.size;
  }

  close(): void {
    this.#unsubscribe();
    this.#cancelFlush?.();
  }

  #onChange(service: string): void {
    if (!this.#watchers.has(service)) return;
    this.#stale.add(service);
    const now = this.#clock.now();
    if (this.#changed.size === 0) this.#firstChangeMs = now;
    this.#changed.add(service);
    this.#cancelFlush?.();
    const wait = Math.min(quietMs, this.#firstChangeMs + longestMs - now);
    this.#cancelFlush = this.#clock.after(Math.max(0, wait), () => this.#flush());
  }

  #flush(): void {
    this.#cancelFlush = undefined;
    const services = [...this.#changed];
    this.#changed.clear();
    for (const service of services) {
      for (const watcher of [...(this.#watchers.get(service) ?? [])]) watcher.onEndpoints(service);
    }
  }
}

function compare(held: EndpointView, byId: ReadonlyMap<string, RegistryEndpoint>): EndpointDelta {
  const added: RegistryEndpoint[] = [];
  for (const endpoint of byId.values()) {
    if (held.byId.get(endpoint.id)?.version !== endpoint.version) added.push(endpoint);
  }
  const removed: string[] = [];
  for (const id of held.byId.keys()) if (!byId.has(id)) removed.push(id);
  return { added, removed };
}
