import { readOptions } from '../../lib/options.ts';
import { defaultLimits } from './limits.ts';
import { limitOptions, limitsOf } from './options.ts';

const read = (...argv: string[]) => readOptions(limitOptions, { argv, env: {} });
const limits = (...argv: string[]) => limitsOf(read(...argv).values);
const problems = (...argv: string[]) => read(...argv).issues.map(({ path, message }) => `${path} ${message}`);

test('without settings the defaults are in force', () => {
  expect(limits()).toEqual(defaultLimits);
});

test('what may be without a limit is so with 0', () => {
  const none = ['max-connection-age', 'stream-idle-timeout', 'tcp-idle-timeout', 'detect-timeout'];
  const { connectionAgeMs, streamIdleMs, tcpIdleMs, detectMs } = limits(...none.map((name) => `--${name}=0s`));
  expect([connectionAgeMs, streamIdleMs, tcpIdleMs, detectMs]).toEqual(Array(4).fill(Number.POSITIVE_INFINITY));
  expect(limits('--max-connections-per-address=0').connectionsPerAddress).toBe(Number.POSITIVE_INFINITY);
});

test.each(['head-timeout', 'idle-timeout', 'handshake-timeout'])('%s cannot be without an end', (name) => {
  expect(problems(`--${name}=0s`)).toEqual([`--${name} '0s' is not a duration such as 250ms, 10s or 1h, and not 0s`]);
});

test('counts are whole numbers within bounds', () => {
  expect(problems('--max-streams=1.5', '--max-fields=101', '--stream-window=1')).toEqual([
    "--max-fields '101' is not a whole number from 8 to 100",
    "--max-streams '1.5' is not a whole number from 1 to 100000",
    "--stream-window '1' is not a whole number from 16384 to 16777216",
  ]);
});

test('the rungs of the overload ladder rise, or are off', () => {
  expect(limits('--overload-memory=80,90,95').overloadMemory).toEqual([0.8, 0.9, 0.95]);
  expect(limits('--overload-delay=50ms,1s').overloadDelayMs).toEqual([50, 1000]);
  expect(limits('--overload-memory=off').overloadMemory).toEqual(Array(3).fill(Number.POSITIVE_INFINITY));
  for (const wrong of ['90,80,95', '90,95', '90,95,101', '90,95,x', '0,1,2', ''])
    expect([wrong, problems(`--overload-memory=${wrong}`).length]).toEqual([wrong, 1]);
  expect(problems('--overload-delay=1s,50ms')).toHaveLength(1);
});
