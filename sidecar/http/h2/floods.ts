import type { Limits } from '../../limits/limits.ts';

/**
 * Counts what costs us work and brings its sender nothing. Every budget is generous for honest peers: what they do is
 * measured against the useful frames beside it. The attacks are in the comments of Limits.
 */
export class Floods {
  readonly #limits: Limits;
  readonly #control: Budget;
  readonly #early: Budget;
  #empty = 0;
  #updates: number;
  #streams = 0;
  #resets = 0;

  constructor(limits: Limits, nowMs: number) {
    this.#limits = limits;
    this.#control = new Budget(limits.controlBurst, limits.controlRate, nowMs);
    this.#early = new Budget(limits.resets, limits.resetRate, nowMs);
    this.#updates = limits.controlBurst;
  }

  /** A frame for the connection's own sake. True: one too many. */
  control(nowMs: number): boolean {
    return this.#control.spend(nowMs);
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

  /**
   * A stream that the other end opened was reset, by either end, before it was over. True: one too many. Who changes its
   * mind often, but at a bearable rate or about the smaller part of what it asks, is no attacker.
   */
  reset(nowMs: number): boolean {
    this.#resets++;
    return this.#early.spend(nowMs) && this.#resets * 2 > this.#streams;
  }
}

/** So many at once, and so many more a second. */
class Budget {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #refilledMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#refilledMs = nowMs;
  }

  /** True: one too many. The clock is only looked at when all is spent. */
  spend(nowMs: number): boolean {
    if (--this.#left >= 0) return false;
    const refill = ((nowMs - this.#refilledMs) * this.#perSecond) / 1000;
    if (refill < 1) return true;
    this.#refilledMs = nowMs;
    this.#left = Math.min(this.#burst, refill) - 1;
    return false;
  }
}
