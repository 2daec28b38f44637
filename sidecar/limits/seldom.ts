import type { Clock } from '../../lib/clock.ts';
import type { Fields } from '../../lib/log.ts';

const EVERY_MS = 1000;

/** Says what anybody can cause as often as they like once a second at most, and then how often it has happened since. */
export class Seldom {
  readonly #clock: Clock;
  readonly #say: (fields: Fields) => void;
  #count = 0;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, say: (fields: Fields) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  happened(fields: Fields): void {
    this.#count++;
    const nowMs = this.#clock.now();
    if (nowMs - this.#saidMs < EVERY_MS) return;
    this.#saidMs = nowMs;
    this.#say(this.#count === 1 ? fields : { ...fields, count: this.#count });
    this.#count = 0;
  }
}
