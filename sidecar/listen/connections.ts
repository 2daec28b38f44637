import type { HttpExchange } from '../http/exchange.ts';

/** A connection, whatever it speaks. */
export interface Open {
  /** Ends once what is under way is answered. */
  drain(): void;
  /** What the end of the listener means to it, where that is not `drain`. */
  leave?(): void;
  /** Ends as soon as that costs its caller nothing: the certificate that it was opened with is no longer ours. */
  renew?(): void;
  destroy(): void;
  exchanges?(visit: (ex: HttpExchange) => void): void;
}

/** The connections of one listener, those included of which nobody knows yet what they carry. */
export class Connections {
  readonly #open = new Set<Open>();
  #leaving = false;

  get size(): number {
    return this.#open.size;
  }

  add(one: Open): void {
    this.#open.add(one);
    if (this.#leaving) leave(one);
  }

  remove(one: Open): void {
    this.#open.delete(one);
  }

  drain(): void {
    for (const one of this.#open) one.drain();
  }

  /** As drain, and so does every one that was let in before and comes out of its handshake later. */
  leave(): void {
    this.#leaving = true;
    for (const one of this.#open) leave(one);
  }

  renew(): void {
    for (const one of this.#open) one.renew?.();
  }

  exchanges(visit: (ex: HttpExchange) => void): void {
    for (const one of this.#open) one.exchanges?.(visit);
  }

  destroy(): void {
    for (const one of this.#open) one.destroy();
  }
}

function leave(one: Open): void {
  if (one.leave === undefined) one.drain();
  else one.leave();
}
