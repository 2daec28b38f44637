import type { Limits } from '../../limits/limits.ts';

/**
 * Counts what costs us work and brings its sender nothing. Every budget is generous for honest peers: what they do is
 * measured against the useful frames beside it. The attacks are in the comments of Limits.
 */
export class Floods {
  readonly #limits: Limits;
  #control: number;
  #refilledMs: number;
  #empty = 0;
  #updates: number;
  #streams = 0;
  #resets = 0;

  constructor(limits: Limits, nowMs: number) {
    this.#limits = limits;
    this.#control = limits.controlBurst;
    this.#updates = limits.controlBurst;
    this.#refilledMs = nowMs;
  }

  /** A frame for the connection's own sake. True: one too many. */
  control(nowMs: number): boolean {
    if (--this.#control >= 0) return false;
    const { controlBurst, controlRate } = this.#limits;
    const refill = ((nowMs - this.#refilledMs) * controlRate) / 1000;
    if (refill < 1) return true;
    this.#refilledMs = nowMs;
    this.#control = Math.min(controlBurst, refill) - 1;
    return false;
  }

  /** A frame that carries nothing and ends nothing. True: one too many in a row. */
  empty(): boolean {
    return ++this.#empty > this.#limits.emptyFrames;
  }

  /** A frame that carries something. */
  full(): void {
    this.#empty = 0;
  }

  /** A WINDOW_UPDATE. True: too many for the DATA that was sent. */
  update(): boolean {
    return --this.#updates < 0;
  }

  /** A DATA frame was sent, which its receiver may answer with updates. */
  sentData(): void {
    if (this.#updates < this.#limits.controlBurst) this.#updates += this.#limits.windowUpdates;
  }

  /** The other end opened a stream, whose window it may set at once. */
  opened(): void {
    this.#streams++;
    this.sentData();
  }

  /** A stream that the other end opened was reset, by either end, before it was over. True: one too many. */
  reset(): boolean {
    return ++this.#resets > this.#limits.resets && this.#resets * 2 > this.#streams;
  }
}
