import { manualClock } from '../../lib/clock.ts';
import { jsonLog, silentLog } from '../../lib/log.ts';
import { Loop } from '../net/loop.ts';
import { defaultLimits } from './limits.ts';
import { startOverload } from './overload.ts';
import type { Reading } from './readings.ts';

const calm: Reading = { memory: 0.3, lateMs: 1 };

/** A ladder whose readings are given, and all that it did. */
function ladder() {
  const clock = manualClock();
  const loop = new Loop(clock);
  const did: string[] = [];
  const lines: Record<string, unknown>[] = [];
  let reading = calm;
  const overload = startOverload({
    limits: defaultLimits,
    loop,
    read: () => reading,
    relief: {
      closeIdle: () => void did.push('close idle'),
      shed() {
        did.push('shed');
        return 2;
      },
    },
    stats: { level: (level) => void did.push(`level ${level}`) },
    clock,
    log: jsonLog({ write: (line) => lines.push(JSON.parse(line)) }),
  });
  return {
    clock,
    loop,
    overload,
    did,
    lines,
    read(next: Partial<Reading>, forMs = 100) {
      reading = { ...calm, ...next };
      clock.advance(forMs);
      return did.splice(0);
    },
  };
}

test('all is well as long as the readings are', () => {
  const { overload, read, lines } = ladder();
  expect(read({ memory: 0.91, lateMs: 99 }, 60_000)).toEqual([]);
  expect(overload.level).toBe(0);
  expect(lines).toEqual([]);
});

test('memory takes it up all rungs at once, and each rung says what it does', () => {
  const { overload, read, lines } = ladder();
  expect(read({ memory: 0.925 })).toEqual(['close idle', 'level 1']);
  expect(read({ memory: 0.96 })).toEqual(['level 2']);
  expect(overload.refusal).toMatchObject({ code: 'OVERLOAD_MEMORY', status: 503, headers: [['retry-after', '1']] });
  expect(read({ memory: 0.99 })).toEqual(['shed', 'level 3']);
  expect(read({ memory: 0.99 }, 200)).toEqual(['shed', 'shed']);
  expect(read({}, 4000)).toEqual(['level 2', 'level 1', 'level 0']);
  expect(overload.level).toBe(0);
  expect(lines).toMatchObject([
    { rung: 1, level: 'warn', event: 'overload', effect: 'connections end behind their answers', memory: '93 %' },
    { rung: 2, effect: 'new requests and connections are refused' },
    { rung: 3, shed: 2 },
    { rung: 2, shed: 4 },
    { rung: 1 },
    { rung: 0, level: 'info', effect: 'all is carried again' },
  ]);
});

test('a loop that is late takes it up to refusing, and no further, and closes nothing that rests', () => {
  const { overload, read } = ladder();
  expect(read({ lateMs: 150 }, 1000)).toEqual([]);
  expect(read({ lateMs: 150 })).toEqual(['level 1']);
  expect(overload.level).toBe(1);
  expect(read({ lateMs: 5000 }, 1100)).toEqual(['level 2']);
  expect(overload.refusal).toMatchObject({ code: 'OVERLOAD_DELAY', status: 503 });
  expect(read({ lateMs: 5000 }, 10_000)).toEqual([]);
  expect(read({}, 2100)).toEqual(['level 1', 'level 0']);
});

test('garbage is no pressure: it is collected before a rung is taken, and not all the time', () => {
  const clock = manualClock();
  let memory = 0.5;
  let live = 0.6;
  const collected: number[] = [];
  const overload = startOverload({
    limits: defaultLimits,
    loop: new Loop(clock),
    read: () => ({ memory, lateMs: 0 }),
    collect() {
      collected.push(clock.now());
      memory = live;
    },
    relief: { closeIdle() {}, shed: () => 0 },
    stats: { level() {} },
    clock,
    log: silentLog,
  });
  clock.advance(1000);
  memory = 0.99;
  clock.advance(100);
  expect([overload.level, collected]).toEqual([0, [1100]]);
  live = 0.93;
  memory = 0.99;
  clock.advance(200);
  expect([overload.level, collected]).toEqual([3, [1100]]);
  clock.advance(3000);
  expect(overload.level).toBe(2);
  const pauses = collected.slice(1).map((ms, i) => ms - collected[i]!);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(250);
  // Nothing that is allocated would make it be collected any more.
  live = 0.3;
  clock.advance(10_000);
  expect(overload.level).toBe(0);
  overload.close();
});

test('in the midst of very many reads it is looked at by the turns, for which timers have to wait', () => {
  const { clock, loop, overload, did, read } = ladder();
  read({ memory: 0.3 });
  // Time that passes without a timer that runs.
  let nowMs = clock.now();
  loop.clock.now = () => nowMs;
  read({ memory: 0.96 }, 0);
  loop.turn(() => {});
  expect(overload.level).toBe(0);
  nowMs += 100;
  loop.turn(() => {});
  expect([overload.level, did]).toEqual([2, ['close idle', 'level 2']]);
  overload.close();
  nowMs += 1000;
  loop.turn(() => {});
  expect(did).toHaveLength(2);
});

test('a ladder that is closed looks no more', () => {
  const { overload, read } = ladder();
  overload.close();
  expect(read({ memory: 1 }, 10_000)).toEqual([]);
});
