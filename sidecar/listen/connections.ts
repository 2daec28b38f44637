import type { HttpExchange } from '../http/exchange.ts';

/** A connection, whatever it speaks. */
export interface Open {
  /** Ends once what is under way is answered. */
  drain(): void;
  /** Ends as soon as that costs its caller nothing: the certificate that it was opened with is no longer ours. */
  renew?(): void;
  destroy(): void;
  exchanges?(visit: (ex: HttpExchange) => void): void;
}

/** The connections of one listener, those included of which nobody knows yet what they carry. */
export class Connections {
  readonly #open = new Set<Open>();
  readonly #whenEmpty: (() => void)[] = [];

  get size(): number {
    return this.#open.size;
  }

  add(one: Open): void {
    this.#open.add(one);
  }

  remove(one: Open): void {
    this.#open.delete(one);
    if (this.#open.size === 0) for (const done of this.#whenEmpty.splice(0)) done();
  }

  drain(): void {
    for (const one of this.#open) one.drain();
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

  /** Resolves when there is none. */
  empty(): Promise<void> {
    return this.size === 0 ? Promise.resolve() : new Promise((done) => this.#whenEmpty.push(done));
  }
}
