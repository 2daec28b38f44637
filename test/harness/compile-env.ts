import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { Issues } from '../../lib/issues.ts';
import { seededRandom } from '../../lib/random.ts';
import type { CompileEnv } from '../../policies/policy.ts';

/** What filters are compiled with in tests: a clock that stands still, chance that repeats, state that is kept. */
export function compileEnv(
  given: Partial<Omit<CompileEnv, 'clock'>> & { readonly clock?: ManualClock } = {},
): CompileEnv & { readonly clock: ManualClock } {
  const kept = new Map<string, object>();
  return {
    random: seededRandom(1),
    issues: new Issues(),
    origin: 'Test default/test',
    keep<T extends object>(key: string, make: () => T): T {
      const held = kept.get(key) ?? make();
      kept.set(key, held);
      return held as T;
    },
    ...given,
    clock: given.clock ?? manualClock(),
  };
}
