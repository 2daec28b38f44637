import { formatAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ApiProxy, Convergence } from '../../proto/api/api.ts';
import type { SidecarHello } from './hello.ts';
import type { Problem, SyncState } from './subscription.ts';

/** A connected sidecar, as the list asks it. */
export interface LiveProxy {
  readonly hello: SidecarHello;
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason: string;
  readonly state: SyncState;
  readonly problems: readonly Problem[];
  revision(current: number): number;
}

interface Entry {
  readonly live: LiveProxy;
  /** Epoch ms: connected since then, or last seen then. */
  readonly since: number;
  /** Set when it is not connected: the revision that it ran then. */
  readonly ended?: { readonly revision: number };
}

/** How long, in ms, and how many sidecars are listed after they have gone. */
const rememberMs = 3_600_000;
const rememberMost = 1000;
/** Watchers are told at most this often, in ms. */
const tellMs = 10;

/** Every sidecar that is connected, and those that were lately. */
export class Proxies {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Set<() => void>();
  #cancelTell: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connected(live: LiveProxy): void {
    const key = keyOf(live);
    this.#entries.delete(key);
    this.#entries.set(key, { live, since: this.#clock.wall() });
    this.changed();
  }

  /** Keeps the sidecar in the list as one that is gone, unless another stream of the same instance has taken its place. */
  disconnected(live: LiveProxy, current: number): void {
    const key = keyOf(live);
    if (this.#entries.get(key)?.live !== live) return;
    this.#entries.delete(key);
    this.#entries.set(key, { live, since: this.#clock.wall(), ended: { revision: live.revision(current) } });
    this.#forget();
    this.changed();
  }

  /** Something of some sidecar has changed. */
  changed(): void {
    if (this.#watchers.size === 0) return;
    this.#cancelTell ??= this.#clock.after(tellMs, () => {
      this.#cancelTell = undefined;
      for (const watcher of [...this.#watchers]) watcher();
    });
  }

  list(current: number): ApiProxy[] {
    this.#forget();
    return [...this.#entries.values()]
      .map((entry) => apiProxy(entry, current))
      .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  /** Disconnected sidecars are not waited for: they get the revision when they come back. */
  convergence(revision: number, current: number): Convergence {
    const waiting = this.list(current).filter((proxy) => proxy.connected && proxy.revision < revision);
    return { revision, converged: revision <= current && waiting.length === 0, waiting };
  }

  subscribe(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  close(): void {
    this.#cancelTell?.();
    this.#watchers.clear();
  }

  /** Entries stand in the order in which they were last put, so the first gone one is the oldest. */
  #forget(): void {
    const gone = [...this.#entries].filter(([, entry]) => entry.ended !== undefined);
    const oldest = this.#clock.wall() - rememberMs;
    for (const [at, [key, entry]] of gone.entries()) {
      if (entry.since < oldest || at < gone.length - rememberMost) this.#entries.delete(key);
    }
  }
}

const keyOf = ({ hello }: LiveProxy): string => `${hello.service}/${hello.instance}`;
const nameOf = (proxy: ApiProxy): string => `${proxy.namespace}/${proxy.service}/${proxy.instance}`;

function apiProxy({ live, since, ended }: Entry, current: number): ApiProxy {
  const { service, instance, version, inbound, admin } = live.hello;
  const slash = service.indexOf('/');
  return {
    instance,
    namespace: service.slice(0, slash),
    service: service.slice(slash + 1),
    connected: ended === undefined,
    ready: ended === undefined && live.ready,
    ...(ended === undefined && !live.ready && live.reason !== '' ? { reason: live.reason } : {}),
    since: new Date(since).toISOString(),
    revision: ended?.revision ?? live.revision(current),
    state: ended === undefined ? live.state : 'disconnected',
    problems: live.problems.map(({ resource, path, message }) => ({
      path: [resource, path].filter((part) => part !== '').join(' '),
      message,
    })),
    version,
    inbound: inbound.port === 0 ? '' : formatInbound(inbound),
    admin,
  };
}

const formatInbound = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  address.startsWith('unix:') ? address : formatAddress({ host: address, port });
