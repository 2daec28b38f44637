import type { ServerOptions } from '@grpc/grpc-js';
import { contentHash } from '../../lib/canonical.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type Random, systemRandom } from '../../lib/random.ts';
import { formatSpiffe, type Identity } from '../../lib/spiffe.ts';
import type { KindSchema } from '../../policies/policy.ts';
import type { ApiProxy, Convergence } from '../../proto/api/api.ts';
import type { DiscoveryDefinition, DiscoveryHandlers } from '../../proto/gen/weft/v1/Discovery.ts';
import { weftProto } from '../../proto/load.ts';
import type { Addresses } from '../registry/addresses.ts';
import type { Registry, SidecarSource } from '../registry/registry.ts';
import { EndpointTable } from '../snapshots/endpoints.ts';
import { MeshIndex } from '../snapshots/mesh-index.ts';
import type { Scope } from '../snapshots/scope.ts';
import { Scopes } from '../snapshots/scopes.ts';
import type { Mutation, Store } from '../store/store.ts';
import type { PushStats } from '../telemetry/metrics.ts';
import { Instances } from './instances.ts';
import { Admission, type DiscoveryLimits, defaultLimits, TokenBucket } from './limits.ts';
import { Proxies } from './proxies.ts';
import { Pump } from './pump.ts';
import { Refusal } from './refusal.ts';
import { type DiscoveryCall, Stream, type StreamHost } from './stream.ts';
import type { World } from './subscription.ts';

export interface DiscoveryOptions {
  readonly store: Pick<Store, 'current' | 'subscribe'>;
  readonly registry: Registry;
  /** Where each service is on loopback. */
  readonly addresses: Pick<Addresses, 'of' | 'subscribe'>;
  /** Gets the endpoints of connected sidecars. The registry has it among its sources. */
  readonly sidecars: SidecarSource;
  readonly kinds: ReadonlyMap<string, KindSchema>;
  /** Who is calling, by its verified certificate; throws when there is none. */
  readonly identify: (call: DiscoveryCall) => Identity;
  /** DER certificates of every root to trust. */
  readonly roots: () => readonly Uint8Array[];
  readonly pushes: PushStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: Random;
  readonly limits?: Partial<DiscoveryLimits>;
  /** How long an endpoint outlives its stream, in ms. */
  readonly graceMs?: number;
  /**
   * How long after its start this control plane believes sidecars that still hold endpoints which it has not heard of, in
   * ms: those instances may not have come back to it yet. Longer than the longest backoff of a sidecar (30 s).
   */
  readonly settleMs?: number;
}

export interface DiscoveryService {
  readonly definition: DiscoveryDefinition;
  readonly handlers: DiscoveryHandlers;
  proxies(): ApiProxy[];
  /** Whether every connected sidecar that the revision concerns runs it, and who does not. */
  convergence(revision: number): Convergence;
  /** Called when `proxies` or `convergence` may say something else; at most every 10 ms. Gives the function that ends it. */
  subscribe(watcher: () => void): () => void;
  /** Ends every stream and all timers. */
  close(): void;
}

/** Options for the gRPC server that carries discovery: a bound on what comes in, and pings that find dead sidecars. */
export const discoveryServerOptions: ServerOptions = {
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
  'grpc.max_concurrent_streams': 100,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

/** How long a sidecar that is ahead of this control plane's log waits for it, in ms. */
const lagMs = 10_000;
/** Streams end after this time (less up to a fifth), so that certificates are looked at again and replicas share, in ms. */
const streamAgeMs = 6 * 3_600_000;
/** How often the roots are compared with those that were sent, in ms. */
const rootsMs = 60_000;

/** The config stream. Pushes scopes and endpoints to the sidecars, keeps count of who runs what. */
export function discoveryService(options: DiscoveryOptions): DiscoveryService {
  const host = new Discovery(options);
  return {
    definition: weftProto().Discovery.service,
    handlers: { Stream: (call) => host.accept(call) },
    proxies: () => host.proxies.list(host.revision),
    convergence: (revision) => host.proxies.convergence(revision, host.revision),
    subscribe: (watcher) => host.proxies.subscribe(watcher),
    close: () => host.close(),
  };
}

class Discovery implements StreamHost {
  readonly log: Log;
  readonly proxies: Proxies;
  /** The revision that scopes are made of. */
  revision: number;
  readonly pushes: PushStats;
  readonly #options: DiscoveryOptions;
  readonly #limits: DiscoveryLimits;
  readonly #admission: Admission;
  readonly #index: MeshIndex;
  readonly #scopes: Scopes;
  readonly #endpoints: EndpointTable;
  readonly #instances: Instances;
  readonly #pump = new Pump<Stream>((stream) => stream.send());
  /** By service and instance; only streams that have said Hello and were let in. */
  readonly #streams = new Map<string, Stream>();
  /** Every stream, greeted or not, with what cancels its timers. */
  readonly #timers = new Map<Stream, () => void>();
  readonly #lagging = new Map<Stream, () => void>();
  readonly #unsubscribe: () => void;
  readonly #endAddresses: () => void;
  readonly #endJoined: () => void;
  #cancelSettle: () => void;
  #cancelRoots: () => void;
  #roots: World['roots'];

  constructor(options: DiscoveryOptions) {
    const { store, clock, log } = options;
    this.#options = options;
    this.log = log;
    this.pushes = options.pushes;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#admission = new Admission(this.#limits, clock);
    this.proxies = new Proxies(clock);
    // Subscribed before the state is read, so that no revision falls between the two.
    this.#unsubscribe = store.subscribe((_state, revision) => this.#onRevision(revision.revision, revision.mutations));
    const state = store.current();
    this.revision = state.revision;
    this.#index = new MeshIndex(options.kinds, state);
    this.#scopes = new Scopes(this.#index);
    const { registry } = options;
    for (const service of registry.services()) this.#index.join(service, registry.declared(service));
    // Before the table of endpoints, which tells of them: a service that joins has its port with its first endpoint.
    this.#endJoined = registry.subscribe((service) => this.#onJoined(service));
    this.#endpoints = new EndpointTable(options.registry, clock);
    this.#endAddresses = options.addresses.subscribe((service) => this.#endpoints.tell(service));
    this.#instances = new Instances(options.sidecars, clock, options.graceMs ?? 5000);
    this.#roots = this.#readRoots();
    this.#cancelRoots = clock.after(rootsMs, () => this.#checkRoots());
    this.#cancelSettle = clock.after(options.settleMs ?? 45_000, () => this.#settle());
  }

  accept(call: DiscoveryCall): void {
    let identity: Identity;
    try {
      identity = this.#options.identify(call);
    } catch (thrown) {
      this.log.warn('discovery.peer-refused', { peer: call.getPeer(), problem: messageOf(thrown) });
      call.emit('error', new Refusal('UNAUTHENTICATED', 'a certificate of this mesh is needed').status);
      return;
    }
    const { clock, random = systemRandom } = this.#options;
    const messages = new TokenBucket(this.#limits.messagesPerSecond, this.#limits.messageBurst, clock);
    const stream = new Stream(call, identity, this, messages);
    const mute = clock.after(10_000, () => {
      if (!stream.greeted) stream.refuse(new Refusal('INVALID_ARGUMENT', 'no Hello within 10 s'));
    });
    const age = clock.after(streamAgeMs * (1 - 0.2 * random.unit()), () => {
      stream.refuse(new Refusal('UNAVAILABLE', 'this stream is old: connect again'));
    });
    this.#timers.set(stream, () => {
      mute();
      age();
    });
  }

  world(): World {
    return {
      revision: this.revision,
      roots: this.#roots,
      endpoints: (service, held) => {
        const choice = this.#endpoints.resolve(service, held, (id) => this.#instances.maySpeakYet(service, id));
        return choice.view.byId.size > 0 || this.#index.declares(service) ? choice : undefined;
      },
      address: (service) => this.#options.addresses.of(service),
    };
  }

  entered(stream: Stream): void {
    const key = keyOf(stream);
    // The older stream of the same instance is one that its sidecar has given up and whose end we have not seen.
    this.#streams.get(key)?.refuse(new Refusal('UNAVAILABLE', 'the same instance has connected again'));
    this.#admission.enter(stream.hello.service);
    this.#streams.set(key, stream);
    this.#instances.update(stream.hello, stream.identity, stream.ready, stream.reason);
    this.proxies.connected(stream);
  }

  left(stream: Stream): void {
    this.#timers.get(stream)?.();
    this.#timers.delete(stream);
    if (!stream.greeted || this.#streams.get(keyOf(stream)) !== stream) return;
    const { service, instance } = stream.hello;
    this.#streams.delete(keyOf(stream));
    this.#scopes.leave(stream);
    this.#pump.forget(stream);
    this.#admission.leave(service);
    this.#instances.leave(stream.hello, stream.ready);
    this.proxies.disconnected(stream, this.revision);
    this.log.info('discovery.disconnected', { sidecar: formatSpiffe(stream.identity), instance });
  }

  caughtUp(stream: Stream, revision: number, then: (reached: boolean) => void): () => void {
    if (revision <= this.revision) {
      then(true);
      return () => {};
    }
    const cancelTimer = this.#options.clock.after(lagMs, () => settle(false));
    const settle = (reached: boolean): void => {
      stop();
      then(reached);
    };
    const stop = (): void => {
      cancelTimer();
      this.#lagging.delete(stream);
    };
    this.#lagging.set(stream, () => {
      if (this.revision >= revision) settle(true);
    });
    return stop;
  }

  scope(stream: Stream): Scope {
    return this.#scopes.join(stream, stream.hello.service, stream.subscriptions);
  }

  watch(stream: Stream, service: string): void {
    this.#endpoints.watch(service, stream);
  }

  unwatch(stream: Stream, service: string): void {
    this.#endpoints.unwatch(service, stream);
  }

  due(stream: Stream): void {
    this.#pump.add(stream);
  }

  readiness(stream: Stream): void {
    this.#instances.update(stream.hello, stream.identity, stream.ready, stream.reason);
    this.proxies.changed();
  }

  changed(): void {
    this.proxies.changed();
  }

  close(): void {
    this.#unsubscribe();
    this.#endAddresses();
    this.#endJoined();
    this.#cancelRoots();
    this.#cancelSettle();
    this.#instances.close();
    for (const stream of [...this.#timers.keys()])
      stream.refuse(new Refusal('UNAVAILABLE', 'this control plane stops'));
    this.#instances.close();
    this.#endpoints.close();
    this.proxies.close();
  }

  #onRevision(revision: number, mutations: readonly Mutation[]): void {
    this.revision = revision;
    this.#scopes.apply(mutations);
    for (const check of [...this.#lagging.values()]) check();
    this.proxies.changed();
  }

  #onJoined(service: string): void {
    this.#scopes.joined(service, this.#options.registry.declared(service));
  }

  #settle(): void {
    this.#instances.settle();
    for (const stream of this.#streams.values()) stream.refresh();
  }

  #checkRoots(): void {
    this.#cancelRoots = this.#options.clock.after(rootsMs, () => this.#checkRoots());
    const roots = this.#readRoots();
    if (roots.version === this.#roots.version) return;
    this.#roots = roots;
    for (const stream of this.#streams.values()) this.#pump.add(stream);
  }

  #readRoots(): World['roots'] {
    const certificates = this.#options.roots();
    return { certificates, version: contentHash(Buffer.concat(certificates)) };
  }
}

const keyOf = (stream: Stream): string => `${stream.hello.service}/${stream.hello.instance}`;
