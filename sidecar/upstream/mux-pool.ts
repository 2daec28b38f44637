import { type ErrorCode, messageOf, WeftError } from '../../lib/errors.ts';
import type { Loop } from '../net/loop.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { Connections } from './pool.ts';

/** Requests that may wait for a connection to one endpoint, or for a stream on one. */
const MAX_WAITING = 4096;
/** Connections to one endpoint; all of them together carry as many streams as the endpoint allows on each. */
const MAX_CONNECTIONS = 16;
/** How long a connection without streams is kept: long, because to open one costs both ends a handshake. */
const IDLE_MS = 300_000;
/** So that a certificate that was renewed, or a balance that has shifted, shows before long. */
const MAX_AGE_MS = 3_600_000;

/** A connection that carries many exchanges at once, as far as a pool cares. */
export interface Multiplexed<S> {
  /** A stream for one exchange; undefined: there is no room for one more. */
  takeStream(): S | undefined;
  /** Streams that may still be opened now; 0 for ever once it is leaving. */
  readonly room: number;
  /** Streams that are open. */
  readonly active: number;
  /** What is sent on it waits for the other end, so that another connection would be faster. */
  readonly stalled: boolean;
  readonly leaving: boolean;
  /** Monotonic ms after which it takes no more streams; the pool's to set. */
  expiresMs: number;
  /** Takes no more streams, and closes behind the last one. */
  retire(): void;
  destroy(): void;
}

const isFreer = <S>(a: Multiplexed<S>, b: Multiplexed<S>): boolean =>
  a.stalled === b.stalled ? a.active < b.active : b.stalled;

/** Opens a connection that reports to `pool`. Fails with a code of the error table. */
export type OpenMux<S> = (spec: EndpointSpec, timeoutMs: number, pool: MuxPool<S>) => Promise<Multiplexed<S>>;

interface Waiter<S> {
  readonly timeoutMs: number;
  readonly ready: (stream: S) => void;
  readonly failed: (code: ErrorCode, detail: string) => void;
}

/**
 * The few long-lived connections to one endpoint that speaks HTTP/2. A further one is opened only when all streams of
 * those that there are are taken, or their windows are used up. Owns them.
 */
export class MuxPool<S> implements Connections<S> {
  readonly idleMs = IDLE_MS;
  readonly #spec: EndpointSpec;
  readonly #connect: OpenMux<S>;
  readonly #loop: Loop;
  readonly #all = new Set<Multiplexed<S>>();
  /** Connected, and the endpoint has not said yet what it allows. */
  #young: Multiplexed<S> | undefined;
  #waiting: Waiter<S>[] = [];
  #connecting = false;
  #closed = false;
  #destroyed = false;
  /** A connect that is under way began before the certificate changed. */
  #outdated = false;

  constructor(spec: EndpointSpec, connect: OpenMux<S>, loop: Loop) {
    this.#spec = spec;
    this.#connect = connect;
    this.#loop = loop;
  }

  takeIdle(): S | undefined {
    if (this.#waiting.length > 0) return undefined;
    return this.#take();
  }

  /** A stream on the connection with the fewest. */
  #take(): S | undefined {
    let best: Multiplexed<S> | undefined;
    for (const one of this.#all) if (one.room > 0 && (best === undefined || isFreer(one, best))) best = one;
    if (best === undefined) return undefined;
    // It is used all the same: only what comes later finds the next one open.
    if (best.stalled) this.#open(1000);
    return best.takeStream();
  }

  lease(timeoutMs: number, ready: Waiter<S>['ready'], failed: Waiter<S>['failed']): () => void {
    if (this.#waiting.length >= MAX_WAITING) {
      failed(
        'OVERLOADED',
        `${this.#waiting.length} requests wait for a stream to ${this.#spec.address}:${this.#spec.port}`,
      );
      return () => {};
    }
    if (this.#destroyed) {
      failed('DRAINING', 'this sidecar is shutting down');
      return () => {};
    }
    const waiter = { timeoutMs, ready, failed };
    this.#waiting.push(waiter);
    this.#open(timeoutMs);
    return () => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  #open(timeoutMs: number): void {
    if (this.#connecting || this.#destroyed || this.#usable() >= MAX_CONNECTIONS) return;
    this.#connecting = true;
    this.#outdated = false;
    this.#connect(this.#spec, timeoutMs, this).then(
      (connection) => this.#loop.turn(() => this.#opened(connection)),
      (error: unknown) => this.#loop.turn(() => this.#failed(error)),
    );
  }

  /** A connection that is not ready yet, so that it has an owner meanwhile. */
  own(connection: Multiplexed<S>): void {
    this.#young = connection;
  }

  #usable(): number {
    let count = 0;
    for (const one of this.#all) if (!one.leaving) count++;
    return count;
  }

  #opened(connection: Multiplexed<S>): void {
    this.#connecting = false;
    this.#young = undefined;
    if (this.#closed && this.#waiting.length === 0) {
      connection.destroy();
      return;
    }
    // It says goodbye as soon as it has said hello: to connect again at once would be a loop.
    if (connection.leaving) {
      this.#failed(new WeftError('UPSTREAM_RESET', { detail: 'the endpoint takes no streams' }));
      return;
    }
    connection.expiresMs = this.#loop.nowMs + MAX_AGE_MS;
    this.#all.add(connection);
    this.changed();
    if (this.#closed || this.#outdated) connection.retire();
  }

  /** All who wait for a connection share the one connect that was tried, and its outcome. */
  #failed(error: unknown): void {
    this.#connecting = false;
    this.#young = undefined;
    const code = (error as { code?: ErrorCode }).code ?? 'UPSTREAM_CONNECT';
    // Those who wait for a stream of connections that are there and full can wait on.
    if (this.#usable() > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) waiter.failed(code, messageOf(error));
  }

  /** There may be room for who waits. */
  changed(): void {
    while (this.#waiting.length > 0) {
      const stream = this.#take();
      if (stream === undefined) {
        this.#open(this.#waiting[0]!.timeoutMs);
        return;
      }
      this.#waiting.shift()!.ready(stream);
    }
  }

  /** A connection is gone. */
  forget(connection: Multiplexed<S>): void {
    this.#all.delete(connection);
    this.changed();
  }

  get connections(): number {
    return this.#all.size;
  }

  /** Streams under way go on; the next one gets a new connection. For a change of certificate. */
  renew(): void {
    this.#outdated = true;
    for (const connection of [...this.#all]) connection.retire();
  }

  close(): void {
    this.#closed = true;
    this.renew();
  }

  destroy(): void {
    this.#closed = true;
    this.#destroyed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.failed('DRAINING', 'this sidecar is shutting down');
    for (const connection of [...this.#all]) connection.destroy();
    this.#young?.destroy();
  }
}
