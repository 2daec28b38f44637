import { type Address, formatAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { HttpExchange } from '../http/exchange.ts';
import type { Listener } from '../listen/listener.ts';
import { nameAdvice } from '../names/places.ts';
import { Reachable } from '../names/reachable.ts';

/** A local address that leads to one service. */
export interface UpstreamSpec {
  /** `namespace/name`. */
  readonly service: string;
  readonly address: Address;
  /** `Kind namespace/name` of the resource that asks for it; absent: a setting of this sidecar does. */
  readonly from?: string;
  /** It is the service's own address and port, where names lead. */
  readonly named?: true;
}

/** One of them, for people. */
export interface UpstreamDump {
  readonly service: string;
  /** As it was chosen, where port 0 was asked for. */
  readonly listen: string;
  readonly from: string;
  readonly connections: number;
  /** Why nobody is listening there; '' when somebody is. */
  readonly problem: string;
}

/** Of resources; each costs a listener. */
const mostPlaces = 1000;
/** Waits before another attempt to listen, doubled for each that fails. */
const firstBackoffMs = 500;
const lastBackoffMs = 30_000;

/** One address that is wanted. */
interface Place {
  readonly spec: UpstreamSpec;
  listener: Listener | undefined;
  problem: string;
  failures: number;
  cancelRetry: (() => void) | undefined;
  /** It is no longer wanted. */
  gone: boolean;
}

/**
 * The listeners that lead to one service each: those of settings, which are there from the start, and those of resources,
 * which come and go. An address that cannot be had is tried again and again; the others do not wait for it.
 */
export class Upstreams {
  /** Services at whose own address somebody listens. */
  readonly names = new Reachable();
  readonly #listen: (spec: UpstreamSpec) => Promise<Listener>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #places = new Map<string, Place>();
  /** No longer wanted; connections that are there go on. */
  readonly #leaving = new Set<Listener>();
  /** Attempts to listen that are under way. */
  readonly #trying = new Set<Promise<void>>();
  #closed = false;

  constructor(listen: (spec: UpstreamSpec) => Promise<Listener>, clock: Clock, log: Log) {
    this.#listen = listen;
    this.#clock = clock;
    this.#log = log;
  }

  /** For a setting: rejects when it cannot be listened there. */
  async open(spec: UpstreamSpec): Promise<void> {
    const place = newPlace(spec);
    place.listener = await this.#listen(spec);
    this.#places.set(keyOf(spec), place);
  }

  /** Puts these in the place of those that resources asked for before. Returns at once. */
  update(specs: readonly UpstreamSpec[]): void {
    if (this.#closed) return;
    if (specs.length > mostPlaces)
      this.#log.error('upstream.too-many', { wanted: specs.length, most: mostPlaces, first: specs[mostPlaces]?.from });
    const wanted = new Map(specs.slice(0, mostPlaces).map((spec) => [keyOf(spec), spec]));
    // First those that go: one of the others may come to the same address.
    for (const [key, place] of this.#places)
      if (place.spec.from !== undefined && !wanted.has(key)) {
        this.#places.delete(key);
        this.#leave(place);
      }
    for (const [key, spec] of wanted) {
      if (this.#places.has(key)) continue;
      const place = newPlace(spec);
      this.#places.set(key, place);
      this.#begin(place);
    }
  }

  /** Resolves when every place that is wanted is listened at, or has been tried in vain. */
  async settled(): Promise<void> {
    await Promise.all(this.#trying);
  }

  #begin(place: Place): void {
    const attempt = this.#try(place).finally(() => this.#trying.delete(attempt));
    this.#trying.add(attempt);
  }

  async #try(place: Place): Promise<void> {
    const { spec } = place;
    const about = { service: spec.service, listen: formatAddress(spec.address), from: spec.from };
    try {
      const listener = await this.#listen(spec);
      if (place.gone) {
        await listener.close();
        return;
      }
      place.listener = listener;
      place.problem = '';
      if (spec.named) this.names.change(spec.service, true);
      this.#log.info('upstream.listening', about);
    } catch (thrown) {
      if (place.gone) return;
      place.problem = messageOf(thrown);
      const retryMs = Math.min(lastBackoffMs, firstBackoffMs * 2 ** place.failures);
      place.failures = Math.min(place.failures + 1, 20);
      const advice = spec.named ? nameAdvice((thrown as NodeJS.ErrnoException).code) : undefined;
      this.#log.error('upstream.not-listening', { ...about, problem: place.problem, advice, retryMs });
      place.cancelRetry = this.#clock.after(retryMs, () => this.#begin(place));
    }
  }

  #leave(place: Place): void {
    place.gone = true;
    place.cancelRetry?.();
    const { listener } = place;
    if (listener === undefined) return;
    if (place.spec.named) this.names.change(place.spec.service, false);
    listener.drain();
    this.#leaving.add(listener);
    void listener.empty().then(() => this.#leaving.delete(listener));
  }

  dump(): readonly UpstreamDump[] {
    return [...this.#places.values()].map(({ spec, listener, problem }) => ({
      service: spec.service,
      listen: formatAddress(listener?.address ?? spec.address),
      from: spec.from ?? '--upstream',
      connections: listener?.connections ?? 0,
      problem,
    }));
  }

  // All of them, as one listener.

  drain(): void {
    this.#closed = true;
    for (const place of this.#places.values()) {
      place.cancelRetry?.();
      if (place.listener === undefined) place.gone = true;
    }
    for (const listener of this.#all()) listener.drain();
  }

  closeIdle(): void {
    for (const listener of this.#all()) listener.closeIdle();
  }

  exchanges(visit: (ex: HttpExchange) => void): void {
    for (const listener of this.#all()) listener.exchanges(visit);
  }

  async empty(): Promise<void> {
    await Promise.all([...this.#all()].map((listener) => listener.empty()));
  }

  async close(): Promise<void> {
    this.drain();
    await Promise.all([...this.#all()].map((listener) => listener.close()));
  }

  *#all(): Generator<Listener> {
    for (const { listener } of this.#places.values()) if (listener !== undefined) yield listener;
    yield* this.#leaving;
  }
}

const newPlace = (spec: UpstreamSpec): Place => ({
  spec,
  listener: undefined,
  problem: '',
  failures: 0,
  cancelRetry: undefined,
  gone: false,
});

const keyOf = ({ service, address, from = '' }: UpstreamSpec): string => `${from} ${service} ${formatAddress(address)}`;
