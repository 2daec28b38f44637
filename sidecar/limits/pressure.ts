/** How long a reading must be low before the next lower rung is taken: whoever comes back is not met by another refusal. */
const FALL_MS = 1000;

/**
 * A reading that goes up and down, turned into a rung of a ladder that does not flutter. Climbs to the highest rung whose
 * threshold has been met for `sustainMs`; comes down one rung at a time, each after readings of a second below `clear`
 * times the threshold.
 */
export class Pressure {
  /** 0: below all thresholds. */
  level = 0;
  readonly #thresholds: readonly number[];
  readonly #sustainMs: number;
  readonly #clear: number;
  /** By rung, since when its threshold has been met; Infinity: it is not. */
  readonly #metMs: number[];
  #lowMs = Number.POSITIVE_INFINITY;

  constructor(thresholds: readonly number[], sustainMs: number, clear: number) {
    this.#thresholds = thresholds;
    this.#sustainMs = sustainMs;
    this.#clear = clear;
    this.#metMs = thresholds.map(() => Number.POSITIVE_INFINITY);
  }

  /** Gives the rung. */
  read(nowMs: number, value: number): number {
    for (const [index, threshold] of this.#thresholds.entries()) {
      if (value < threshold) this.#metMs[index] = Number.POSITIVE_INFINITY;
      else {
        this.#metMs[index] = Math.min(this.#metMs[index]!, nowMs);
        if (nowMs - this.#metMs[index] >= this.#sustainMs) this.level = Math.max(this.level, index + 1);
      }
    }
    const low = this.level > 0 && value < this.#thresholds[this.level - 1]! * this.#clear;
    this.#lowMs = low ? Math.min(this.#lowMs, nowMs) : Number.POSITIVE_INFINITY;
    if (nowMs - this.#lowMs >= FALL_MS) {
      this.level--;
      this.#lowMs = nowMs;
    }
    return this.level;
  }
}
