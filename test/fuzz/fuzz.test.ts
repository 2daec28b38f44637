import { seededRandom } from '../../lib/random.ts';
import { targets } from './targets.ts';

// The same seeds in every run; `npm run fuzz` takes others.
test.each(Object.keys(targets))('no random input breaks a promise of: %s', async (name) => {
  const end = performance.now() + 900;
  for (let seed = 1; seed <= 3000 && performance.now() < end; seed++) {
    try {
      await targets[name]!(seededRandom(seed));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
