import { type ErrorCode, messageOf } from '../../lib/errors.ts';
import { H1Client } from '../http/h1/client.ts';
import type { Loop } from '../net/loop.ts';
import type { Connect } from './connect.ts';
import type { Endpoint } from './endpoint.ts';

/** Requests that may wait for a connection to one endpoint. */
const MAX_WAITING = 1024;
/** Connections to one endpoint. HTTP/1.1 carries one request each. */
const MAX_CONNECTIONS = 1024;
/** Idle connections beyond this many are closed instead of kept. */
const MAX_IDLE = 256;
/** Shorter than the 60 s that our own listeners keep a caller's idle connection. */
const IDLE_MS = 50_000;
/** So that a certificate that was renewed, or a balance that has shifted, shows before long. */
const MAX_AGE_MS = 3_600_000;

interface Waiter {
  readonly timeoutMs: number;
  readonly ready: (client: H1Client) => void;
  readonly failed: (code: ErrorCode, detail: string) => void;
}

/** Keep-alive connections to one endpoint. Owns them. */
export class Pool {
  readonly #endpoint: Endpoint;
  readonly #connect: Connect;
  readonly #loop: Loop;
  // Last in, first out: the connection used last is the least likely to be stale, and the rest can age out.
  readonly #idle: H1Client[] = [];
  readonly #all = new Set<H1Client>();
  readonly #waiting: Waiter[] = [];
  #connecting = 0;
  #closed = false;

  constructor(endpoint: Endpoint, connect: Connect, loop: Loop) {
    this.#endpoint = endpoint;
    this.#connect = connect;
    this.#loop = loop;
  }

  /** An idle connection, when there is one. */
  takeIdle(): H1Client | undefined {
    for (;;) {
      const client = this.#idle.pop();
      if (client === undefined) return undefined;
      if (!client.dead) return client;
    }
  }

  /** A connection as soon as there is one. Gives the function that ends the wait. */
  lease(timeoutMs: number, ready: Waiter['ready'], failed: Waiter['failed']): () => void {
    const waiter = { timeoutMs, ready, failed };
    if (this.#waiting.length >= MAX_WAITING) {
      failed('OVERLOADED', `${this.#waiting.length} requests wait for a connection to ${this.#endpoint.label}`);
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
    this.#connect(this.#endpoint.spec, timeoutMs).then(
      ({ socket, peer, stats }) =>
        this.#loop.turn(() => {
          this.#connecting--;
          const client = new H1Client(socket, peer, this.#endpoint, this, this.#loop, stats);
          client.expiresMs = this.#loop.nowMs + MAX_AGE_MS;
          this.#all.add(client);
          this.#hand(client);
        }),
      (error: unknown) =>
        this.#loop.turn(() => {
          this.#connecting--;
          const code = (error as { code?: ErrorCode }).code ?? 'UPSTREAM_CONNECT';
          // Each failed connect fails one waiter, so that each request meets the outcome of one try and no more.
          this.#waiting.shift()?.failed(code, messageOf(error));
        }),
    );
  }

  #hand(client: H1Client): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter.ready(client);
    else this.#keep(client);
  }

  /** A request is over and its connection can carry another one. */
  release(client: H1Client, keepAliveSeconds: number): void {
    if ((this.#closed && this.#waiting.length === 0) || client.expiresMs <= this.#loop.nowMs) {
      client.destroy();
      return;
    }
    // One second earlier than the other end says, so that it never closes just as we send.
    client.idleMs = keepAliveSeconds >= 0 ? Math.min(IDLE_MS, Math.max(0, keepAliveSeconds * 1000 - 1000)) : IDLE_MS;
    if (client.idleMs === 0) client.destroy();
    else this.#hand(client);
  }

  #keep(client: H1Client): void {
    if (this.#idle.length >= MAX_IDLE || this.#closed) {
      client.destroy();
      return;
    }
    client.rest();
    this.#idle.push(client);
  }

  /** A connection is gone. */
  forget(client: H1Client): void {
    this.#all.delete(client);
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
    // Its place is free for somebody who waits.
    this.#openForWaiting();
  }

  get connections(): number {
    return this.#all.size;
  }

  /** Closes idle connections now and busy ones as they end. Requests that wait already are still served. */
  close(): void {
    this.#closed = true;
    for (const client of [...this.#idle]) client.destroy();
  }

  /** Closes everything now. */
  destroy(): void {
    this.close();
    for (const waiter of this.#waiting.splice(0)) waiter.failed('DRAINING', 'this sidecar is shutting down');
    for (const client of [...this.#all]) client.destroy();
  }
}
