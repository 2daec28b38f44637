import type { Clock } from '../../lib/clock.ts';

const closeMs = 1000;

/** Things on their way to another thread, in batches: one under way, the next when that one has been taken. */
export class Outbox<T> {
  readonly #send: (batch: readonly T[]) => void;
  readonly #most: number;
  readonly #delayMs: number;
  readonly #clock: Clock;
  #held: T[] = [];
  #underWay = false;
  #cancel: (() => void) | undefined;
  #whenEmpty: (() => void) | undefined;

  /** Holds `most` things besides those under way; gathers for `delayMs` before it sends. */
  constructor(options: {
    readonly send: (batch: readonly T[]) => void;
    readonly most: number;
    readonly delayMs: number;
    readonly clock: Clock;
  }) {
    this.#send = options.send;
    this.#most = options.most;
    this.#delayMs = options.delayMs;
    this.#clock = options.clock;
  }

  /** False: there is no room, and it was not taken. */
  add(one: T): boolean {
    if (this.#held.length >= this.#most) return false;
    this.#held.push(one);
    if (this.#delayMs === 0) this.#flush();
    else this.#cancel ??= this.#clock.after(this.#delayMs, () => this.#flush());
    return true;
  }

  /** The batch under way has arrived. */
  taken(): void {
    this.#underWay = false;
    if (this.#cancel === undefined) this.#flush();
  }

  /** Sends what is there. Resolves when all of it has been taken, after a second at the latest. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(closeMs, resolve);
      this.#whenEmpty = () => {
        cancel();
        resolve();
      };
      this.#flush();
    });
  }

  #flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#underWay) return;
    if (this.#held.length === 0) {
      this.#whenEmpty?.();
      return;
    }
    const batch = this.#held;
    this.#held = [];
    this.#underWay = true;
    this.#send(batch);
  }
}
