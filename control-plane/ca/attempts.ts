import type { Clock } from '../../lib/clock.ts';

export interface AttemptLimit {
  /** Takes one attempt of `who`. False when there is none left. */
  take(who: string): boolean;
  /** Gives one back, for an attempt that turned out to be honest. */
  giveBack(who: string): void;
}

export interface AttemptLimitOptions {
  readonly burst: number;
  readonly perSecond: number;
  /** How many callers are remembered at most. */
  readonly maxCallers?: number;
  readonly clock: Clock;
}

/**
 * A token bucket for each caller. When more callers than `maxCallers` are known, those that have been quiet longest are
 * forgotten first: an attacker with that many addresses gains only what a new address would have.
 */
export function attemptLimit({ burst, perSecond, maxCallers = 10_000, clock }: AttemptLimitOptions): AttemptLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take(who) {
      const now = clock.now();
      const known = buckets.get(who);
      const left = known === undefined ? burst : Math.min(burst, known.left + ((now - known.at) / 1000) * perSecond);
      const taken = left >= 1;
      // Deleted first, so that the map stays in order of last use.
      buckets.delete(who);
      buckets.set(who, { left: taken ? left - 1 : left, at: now });
      if (buckets.size > maxCallers) buckets.delete(buckets.keys().next().value!);
      return taken;
    },
    giveBack(who) {
      const bucket = buckets.get(who);
      if (bucket !== undefined) bucket.left += 1;
    },
  };
}
