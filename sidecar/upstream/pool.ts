import { type ErrorCode, messageOf } from '../../lib/errors.ts';
import type { Loop } from '../net/loop.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';

/** Requests that may wait for a connection to one endpoint: with the connections, as many as five full ones of HTTP/2 bring. */
const MAX_WAITING = 4096;
/** Connections to one endpoint. HTTP/1.1 carries one request each. */
const MAX_CONNECTIONS = 1024;
/** Idle connections beyond this many are closed instead of kept. */
const MAX_IDLE = 256;
/** Shorter than the 60 s that our own listeners keep a caller's idle connection. */
const IDLE_MS = 50_000;
/** So that a certificate that was renewed, or a balance that has shifted, shows before long. */
const MAX_AGE_MS = 3_600_000;

/** A connection, as far as a pool cares; what it carries is the protocol's matter. */
export interface Pooled {
  /** It can take no further request. */
  readonly dead: boolean;
  /** Monotonic ms after which it takes no further request; the pool's to set. */
  expiresMs: number;
  /** How long it may rest, in ms; the pool's to set. */
  idleMs: number;
  /** Begins to rest: it ends itself when nothing comes for idleMs. */
  rest(): void;
  destroy(): void;
}

/** The connections to one endpoint, for whoever sends requests there. */
export interface Connections<out C> {
  /** An idle connection, when there is one. */
  takeIdle(): C | undefined;
  /** A connection as soon as there is one. Gives the function that ends the wait. */
  lease(
    timeoutMs: number,
    ready: (connection: C) => void,
    failed: (code: ErrorCode, detail: string) => void,
  ): () => void;
  /** How many are open. */
  readonly connections: number;
  /** What is open takes no more requests once those under way are over. */
  renew(): void;
  /** Closes idle connections now and busy ones as they end. Requests that wait already are still served. */
  close(): void;
  /** Closes everything now. */
  destroy(): void;
}

/** Opens a connection that reports to `pool`. Fails with a code of the error table. */
export type Open<C extends Pooled> = (spec: EndpointSpec, timeoutMs: number, pool: Pool<C>) => Promise<C>;

interface Waiter<C> {
  readonly timeoutMs: number;
  readonly ready: (connection: C) => void;
  readonly failed: (code: ErrorCode, detail: string) => void;
}

/** Connections to one endpoint that carry one request at a time and are used again. Owns them. */
export class Pool<C extends Pooled> implements Connections<C> {
  readonly #spec: EndpointSpec;
  readonly #connect: Open<C>;
  readonly #loop: Loop;
  // Last in, first out: the connection used last is the least likely to be stale, and the rest can age out.
  readonly #idle: C[] = [];
  readonly #all = new Set<C>();
  readonly #lent = new Set<C>();
  readonly #waiting: Waiter<C>[] = [];
  #connecting = 0;
  #closed = false;

  constructor(spec: EndpointSpec, connect: Open<C>, loop: Loop) {
    this.#spec = spec;
    this.#connect = connect;
    this.#loop = loop;
  }

  takeIdle(): C | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (!connection.dead) return connection;
    }
  }

  lease(timeoutMs: number, ready: Waiter<C>['ready'], failed: Waiter<C>['failed']): () => void {
    const waiter = { timeoutMs, ready, failed };
    if (this.#waiting.length >= MAX_WAITING) {
      failed(
        'OVERLOADED',
        `${this.#waiting.length} requests wait for a connection to ${this.#spec.address}:${this.#spec.port}`,
      );
      return () => {};
    }
    this.#waiting.push(waiter);
    this.#openForWaiting();
    return () => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  #openForWaiting(): void {
    const next = this.#waiting[this.#connecting];
    if (next !== undefined && this.#all.size + this.#connecting < MAX_CONNECTIONS) this.#open(next.timeoutMs);
  }

  #open(timeoutMs: number): void {
    this.#connecting++;
    this.#connect(this.#spec, timeoutMs, this).then(
      (connection) =>
        this.#loop.turn(() => {
          this.#connecting--;
          connection.expiresMs = this.#loop.nowMs + MAX_AGE_MS;
          this.#all.add(connection);
          this.#hand(connection);
        }),
      (error: unknown) =>
        this.#loop.turn(() => {
          this.#connecting--;
          const code = (error as { code?: ErrorCode }).code ?? 'UPSTREAM_CONNECT';
          // Each failed connect fails one waiter, so that each request meets the outcome of one try and no more.
          this.#waiting.shift()?.failed(code, messageOf(error));
          // There may be more who wait than connects that were allowed to begin.
          this.#openForWaiting();
        }),
    );
  }

  #hand(connection: C): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter.ready(connection);
    else this.#keep(connection);
  }

  /** A request is over and its connection can carry another one. */
  release(connection: C, keepAliveSeconds: number): void {
    if ((this.#closed && this.#waiting.length === 0) || connection.expiresMs <= this.#loop.nowMs) {
      connection.destroy();
      return;
    }
    // One second earlier than the other end says, so that it never closes just as we send.
    connection.idleMs =
      keepAliveSeconds >= 0 ? Math.min(IDLE_MS, Math.max(0, keepAliveSeconds * 1000 - 1000)) : IDLE_MS;
    if (connection.idleMs === 0) connection.destroy();
    else this.#hand(connection);
  }

  #keep(connection: C): void {
    if (this.#idle.length >= MAX_IDLE || this.#closed) {
      connection.destroy();
      return;
    }
    connection.rest();
    this.#idle.push(connection);
  }

  /** It has gone over to another protocol: ours to close still, but it takes no place that a request could have. */
  lend(connection: C): void {
    this.#all.delete(connection);
    this.#lent.add(connection);
    this.#openForWaiting();
  }

  /** A connection is gone. */
  forget(connection: C): void {
    this.#all.delete(connection);
    this.#lent.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    // Its place is free for somebody who waits.
    this.#openForWaiting();
  }

  get connections(): number {
    return this.#all.size + this.#lent.size;
  }

  renew(): void {
    for (const connection of this.#all) connection.expiresMs = Number.NEGATIVE_INFINITY;
    for (const connection of [...this.#idle]) connection.destroy();
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#idle]) connection.destroy();
  }

  destroy(): void {
    this.close();
    for (const waiter of this.#waiting.splice(0)) waiter.failed('DRAINING', 'this sidecar is shutting down');
    for (const connection of [...this.#all, ...this.#lent]) connection.destroy();
  }
}
