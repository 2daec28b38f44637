// `npm run fuzz -- [--for 10m] [--seed N]`: random input for what reads octets and texts of others, until the time is
// over or a promise is broken. A seed repeats the run that it was printed for.
import { inspect, parseArgs } from 'node:util';
import { parseDuration } from '../../lib/duration.ts';
import { seededRandom, systemRandom } from '../../lib/random.ts';
import { targets } from './targets.ts';

const { values } = parseArgs({ options: { for: { type: 'string', default: '1m' }, seed: { type: 'string' } } });
const forMs = parseDuration(values.for);
if (forMs === undefined || !/^\d*$/.test(values.seed ?? '')) {
  process.stderr.write('usage: npm run fuzz -- [--for DURATION, such as 10m] [--seed NUMBER]\n');
  process.exit(2);
}

const seen = new Map<string, number>();
for (const [name, target] of Object.entries(targets)) {
  const until = performance.now() + forMs / Object.keys(targets).length;
  let seed = Number(values.seed ?? systemRandom.below(2 ** 31));
  do {
    try {
      const verdict = `${name} ${await target(seededRandom(seed))}`;
      seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
    } catch (error) {
      process.stderr.write(`${name} broke a promise; --seed ${seed} repeats it\n${inspect(error)}\n`);
      process.exit(1);
    }
    seed++;
  } while (values.seed === undefined && performance.now() < until);
}
for (const [verdict, count] of [...seen].sort()) process.stdout.write(`${verdict}: ${count}\n`);
