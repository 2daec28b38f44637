// `npm run soak -- [--for 10m]`: mixed traffic through a mesh whose processes are restarted; tells what is left in the end.
import { parseArgs } from 'node:util';
import { parseDuration } from '../../lib/duration.ts';
import { soak } from './soak.ts';

const { values } = parseArgs({ options: { for: { type: 'string', default: '10m' } } });
const forMs = parseDuration(values.for);
if (forMs === undefined || forMs < 10_000) {
  process.stderr.write('usage: npm run soak -- [--for DURATION, at least 10s]\n');
  process.exit(2);
}
const { good, lines } = await soak(forMs, (line) => process.stdout.write(`${line}\n`));
process.stdout.write(`${lines.join('\n')}\n${good ? 'nothing is lost, nothing leaks' : 'NOT GOOD'}\n`);
process.exitCode = good ? 0 : 1;
