import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type Random, systemRandom } from '../lib/random.ts';
import { pause } from './consul/pause.ts';
import { StoreError } from './store/store.ts';

/** Each wait is between half of this and all of it, twice as long after each failure. */
const backoffMs = { first: 500, most: 15_000 };

export interface Patience {
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: Random;
  /** Gives up: then what was thrown last is thrown on. */
  readonly signal: AbortSignal;
}

/**
 * Starts what needs a store that others run (Consul), as often as it takes: machines come up in any order, and a supervisor
 * that starts us again and again would say less about why. What time does not heal is thrown at once.
 */
export async function untilStore<T>(start: () => Promise<T>, patience: Patience): Promise<T> {
  const { clock, log, random = systemRandom, signal } = patience;
  // Timers of the clock keep no process alive, and until something listens nothing else does.
  const { port1: alive } = new MessageChannel();
  alive.ref();
  try {
    for (let mostMs = backoffMs.first; ; mostMs = Math.min(backoffMs.most, mostMs * 2)) {
      try {
        return await start();
      } catch (thrown) {
        if (!isPassing(thrown) || signal.aborted) throw thrown;
        const retryMs = Math.round((mostMs * (1 + random.unit())) / 2);
        log.warn('control_plane.waits', { problem: thrown.message, retryMs });
        await pause(clock, retryMs, signal);
        if (signal.aborted) throw thrown;
      }
    }
  } finally {
    alive.close();
  }
}

const isPassing = (thrown: unknown): thrown is StoreError =>
  thrown instanceof StoreError && (thrown.code === 'UNAVAILABLE' || thrown.code === 'UNCERTAIN');
