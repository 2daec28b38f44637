import { bucketCount } from '../../lib/latency.ts';

/** Sidecars report every second; one that has said nothing for twice that has nothing to say. */
const quietMs = 2000;
/** Length of one slot of the window, in ms. */
const slotMs = 1000;

/** What one side of an edge has counted. */
export interface Counts {
  readonly requests: number;
  readonly failures: number;
  readonly retries: number;
  /** Requests by bucket of lib/latency.ts. */
  readonly latency: ArrayLike<number>;
}

interface Slot {
  /** Number of the slot since the clock began. */
  at: number;
  requests: number;
  failures: number;
  retries: number;
  readonly latency: Float64Array;
}

/** Counts of the last while, in slots of one second; older ones fall out. */
export class SlidingWindow {
  readonly #slots: Slot[];
  #lastMs = Number.NEGATIVE_INFINITY;

  /** `windowMs`: a whole number of seconds. */
  constructor(windowMs: number) {
    this.#slots = Array.from({ length: windowMs / slotMs }, () => ({
      at: -1,
      requests: 0,
      failures: 0,
      retries: 0,
      latency: new Float64Array(bucketCount),
    }));
  }

  add(now: number, counts: Counts): void {
    const at = Math.floor(now / slotMs);
    this.#lastMs = now;
    const slot = this.#slots[at % this.#slots.length]!;
    if (slot.at !== at) {
      slot.at = at;
      slot.requests = slot.failures = slot.retries = 0;
      slot.latency.fill(0);
    }
    slot.requests += counts.requests;
    slot.failures += counts.failures;
    slot.retries += counts.retries;
    for (let i = 0; i < counts.latency.length; i++) slot.latency[i]! += counts.latency[i]!;
  }

  sum(now: number): Counts {
    const oldest = Math.floor(now / slotMs) - this.#slots.length;
    const total = { requests: 0, failures: 0, retries: 0, latency: new Float64Array(bucketCount) };
    for (const slot of this.#slots) {
      if (slot.at <= oldest) continue;
      total.requests += slot.requests;
      total.failures += slot.failures;
      total.retries += slot.retries;
      for (let i = 0; i < bucketCount; i++) total.latency[i]! += slot.latency[i]!;
    }
    return total;
  }

  /**
   * The time that `sum` covers, in ms: up to the last report while reports are coming, since what happened after it has
   * not been told yet; up to now otherwise. `sinceMs`: when the first of what was counted began.
   */
  coveredMs(now: number, sinceMs: number): number {
    const end = now - this.#lastMs < quietMs ? this.#lastMs : now;
    const oldest = Math.floor(now / slotMs) - this.#slots.length;
    return Math.min((Math.floor(end / slotMs) - oldest) * slotMs, Math.max(slotMs, end - sinceMs));
  }
}
