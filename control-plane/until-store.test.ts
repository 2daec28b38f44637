import { manualClock } from '../lib/clock.ts';
import { jsonLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { StoreError } from './store/store.ts';
import { untilStore } from './until-store.ts';

function trying(outcomes: readonly (Error | 'up')[]) {
  const clock = manualClock();
  const lines: { event: string; problem: string; retryMs: number }[] = [];
  const log = jsonLog({ write: (line) => void lines.push(JSON.parse(line)) });
  const ending = new AbortController();
  let starts = 0;
  const start = async (): Promise<'up'> => {
    const outcome = outcomes[starts++] ?? new StoreError('UNAVAILABLE', 'away');
    if (outcome !== 'up') throw outcome;
    return outcome;
  };
  const running = untilStore(start, { clock, log, random: seededRandom(7), signal: ending.signal });
  /** Lets promises run, then moves time on by the wait that the log has told. */
  const wait = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(lines.at(-1)!.retryMs);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { running, lines, wait, end: () => ending.abort(), starts: () => starts };
}

test('a store that is away is waited for, with a line for each failure and waits that grow to 15 s', async () => {
  const away = Array.from({ length: 8 }, () => new StoreError('UNAVAILABLE', 'Consul cannot be reached'));
  const { running, lines, wait, starts } = trying([...away, 'up']);
  for (let n = 0; n < 8; n++) await wait();
  expect(await running).toBe('up');
  expect(starts()).toBe(9);
  expect(lines.map(({ event, problem }) => `${event}: ${problem}`)).toEqual(
    away.map(() => 'control_plane.waits: Consul cannot be reached'),
  );
  for (const [n, { retryMs }] of lines.entries()) {
    const most = Math.min(15_000, 500 * 2 ** n);
    expect(retryMs).toBeGreaterThanOrEqual(most / 2);
    expect(retryMs).toBeLessThanOrEqual(most);
  }
});

test.each([new StoreError('CORRUPT', 'not ours'), new RangeError('no address'), new Error('the port is taken')])(
  'what time does not heal is thrown at once: %s',
  async (error) => {
    const { running, lines } = trying([error]);
    await expect(running).rejects.toBe(error);
    expect(lines).toEqual([]);
  },
);

test('a signal ends the wait', async () => {
  const { running, end, starts } = trying([]);
  await new Promise((resolve) => setImmediate(resolve));
  end();
  await expect(running).rejects.toThrow('away');
  expect(starts()).toBe(1);
});
