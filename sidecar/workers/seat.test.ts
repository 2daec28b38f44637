import { join } from 'node:path';
import { manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { until } from '../../test/harness/until.ts';
import { defaultLimits } from '../limits/limits.ts';
import type { WorkerStart } from './messages.ts';
import { Seat } from './seat.ts';

const nowhere = { host: '127.0.0.1', port: 0 };
const startOf = (serviceKey: string): WorkerStart => ({
  options: {
    namespace: 'default',
    serviceKey,
    app: nowhere,
    inbound: nowhere,
    outbound: nowhere,
    mtls: 'off',
    appTimeoutMs: 1000,
    maxRequestBody: 1000,
    upgrades: new Set(),
    limits: defaultLimits,
    endpointGraceMs: 0,
  },
  credentials: undefined,
  pages: false,
  telemetry: { accessLog: 'off', traceSample: 0, spans: false },
});

/** A seat whose threads have a fault. */
function failing(serviceKey = 'default/web') {
  const clock = manualClock();
  const entries: { readonly event: string; readonly problem: string; readonly stack?: string; restartMs?: number }[] =
    [];
  const told: string[] = [];
  const seat = new Seat({
    index: 0,
    start: () => startOf(serviceKey),
    onMessage: ({ kind }) => told.push(kind),
    onBack: () => told.push('back'),
    onGone: () => told.push('gone'),
    entry: join(import.meta.dirname, '../../test/e2e/fixtures/failing-worker.js'),
    clock,
    random: seededRandom(1),
    log: jsonLog({ write: (line) => entries.push(JSON.parse(line)) }),
  });
  return { seat, clock, entries, told };
}

test('a thread that throws is logged with the reason and where, and replaced after a wait that grows', async () => {
  const { seat, clock, entries, told } = failing();
  await seat.open();
  const waits: number[] = [];
  for (let death = 1; death <= 3; death++) {
    await expect(seat.ask({ kind: 'dump' })).rejects.toThrow('worker 0: made to fail');
    await until('it is gone', () => entries.length === death);
    expect(seat.alive).toBe(false);
    await expect(seat.ask({ kind: 'dump' })).rejects.toThrow('worker 0 is not there');
    const { event, problem, stack, restartMs = 0 } = entries.at(-1)!;
    expect([event, problem]).toEqual(['worker.died', 'made to fail']);
    expect(stack).toContain('failing-worker.js:');
    waits.push(restartMs);
    clock.advance(restartMs - 1);
    expect(seat.restarts).toBe(death - 1);
    clock.advance(1);
    await until('another one serves', () => seat.alive);
  }
  expect(seat.restarts).toBe(3);
  expect(waits.map((wait, death) => wait > 50 * 2 ** death && wait <= 100 * 2 ** death)).toEqual([true, true, true]);
  expect(told).toEqual(['gone', 'back', 'gone', 'back', 'gone', 'back']);
  // One that has lived for long has not died of how it begins.
  clock.advance(61_000);
  await seat.ask({ kind: 'dump' }).catch(() => undefined);
  await until('it is gone', () => entries.length === 4);
  expect(entries[3]!.restartMs).toBeLessThanOrEqual(100);
  await seat.close();
});

test('a thread that cannot begin says why, and is not tried again', async () => {
  const { seat, entries } = failing('default/broken');
  await expect(seat.open()).rejects.toMatchObject({ message: 'no such address', code: 'EADDRNOTAVAIL' });
  expect([seat.alive, entries]).toEqual([false, []]);
  await seat.close();
});

test('a thread that dies of being closed is not replaced', async () => {
  const { seat, entries } = failing();
  await seat.open();
  await seat.close();
  expect(seat.alive).toBe(false);
  expect(entries.map(({ event }) => event)).toEqual(expect.arrayContaining(['worker.close']));
  expect(entries.every(({ restartMs }) => restartMs === undefined)).toBe(true);
});
