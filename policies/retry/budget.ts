const slotMs = 1000;
const slots = 10;

/**
 * Counts requests and retries of the last ten seconds, in slots of one second, and says whether one more retry is within
 * the share. Lives across snapshots: a change of policy must not open the gate anew.
 */
export class RetryBudget {
  readonly #requests = new Uint32Array(slots);
  readonly #retries = new Uint32Array(slots);
  #requestsSum = 0;
  #retriesSum = 0;
  /** Number of the present slot since the clock began. */
  #slot = 0;

  request(now: number): void {
    this.#turn(now);
    this.#requests[this.#slot % slots]!++;
    this.#requestsSum++;
  }

  /**
   * Takes one retry: true when fewer than `percent` of the requests in the window have been retried, or fewer than
   * `minPerSecond` for each second of it.
   */
  take(now: number, percent: number, minPerSecond: number): boolean {
    this.#turn(now);
    const slot = this.#slot % slots;
    const share = (this.#requestsSum * percent) / 100;
    // The floor is of this second alone: saved up over the window it would let a burst through.
    if (this.#retriesSum >= share && this.#retries[slot]! >= minPerSecond) return false;
    this.#retries[slot]!++;
    this.#retriesSum++;
    return true;
  }

  #turn(now: number): void {
    const slot = Math.floor(now / slotMs);
    const passed = Math.min(slots, slot - this.#slot);
    if (passed <= 0) return;
    for (let i = 1; i <= passed; i++) {
      const old = (this.#slot + i) % slots;
      this.#requestsSum -= this.#requests[old]!;
      this.#retriesSum -= this.#retries[old]!;
      this.#requests[old] = 0;
      this.#retries[old] = 0;
    }
    this.#slot = slot;
  }
}
