import { manualClock, systemClock } from '../../lib/clock.ts';
import { until } from '../../test/harness/until.ts';
import { type Flushable, Loop, type Watched } from './loop.ts';

const turnOfTheEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('it tells once how late it was: as long as something has kept it from its sweep', async () => {
  const loop = new Loop(systemClock);
  let sweeps = 0;
  const watched = { deadlineMs: 0, watchIndex: -1, onDeadline: () => void sweeps++ };
  loop.watch(watched);
  await until('it sweeps', () => sweeps > 0);
  loop.takeLateMs();
  const before = sweeps;
  const end = performance.now() + 300;
  while (performance.now() < end);
  await until('it sweeps again', () => sweeps > before);
  expect(loop.takeLateMs()).toBeGreaterThan(250);
  expect(loop.takeLateMs()).toBe(0);
  loop.close();
});

test('without anybody to watch it is never late', () => {
  const loop = new Loop(systemClock);
  const end = performance.now() + 100;
  while (performance.now() < end);
  expect(loop.takeLateMs()).toBe(0);
  loop.close();
});

describe('what is written', () => {
  /** Tells of each flush. */
  const telling = (told: string[], name: string, also = (): void => {}): Flushable => ({
    flush() {
      told.push(name);
      also();
    },
  });

  test('goes out at the end of the outermost turn, in order', () => {
    const loop = new Loop(manualClock());
    const told: string[] = [];
    loop.turn(() => {
      loop.markDirty(telling(told, 'one'));
      loop.turn(() => loop.markDirty(telling(told, 'two')));
      expect([told, loop.inTurn]).toEqual([[], true]);
    });
    expect([told, loop.inTurn]).toEqual([['one', 'two'], false]);
  });

  test('by what goes out goes out with it', () => {
    const loop = new Loop(manualClock());
    const told: string[] = [];
    const more = (): void => loop.turn(() => loop.markDirty(telling(told, 'two')));
    loop.turn(() => loop.markDirty(telling(told, 'one', more)));
    expect(told).toEqual(['one', 'two']);
  });

  test('goes out even if the turn fails', () => {
    const loop = new Loop(manualClock());
    const told: string[] = [];
    const failing = (): void => {
      loop.markDirty(telling(told, 'one'));
      throw new Error('because');
    };
    expect(() => loop.turn(failing)).toThrow('because');
    expect([told, loop.inTurn]).toEqual([['one'], false]);
  });

  test('late goes out once for all turns of a turn of the event loop, and by then more may come late', async () => {
    const loop = new Loop(manualClock());
    const told: string[] = [];
    loop.turn(() => loop.markLate(telling(told, 'one', () => loop.markLate(telling(told, 'next')))));
    loop.turn(() => loop.markLate(telling(told, 'two')));
    expect(told).toEqual([]);
    await turnOfTheEventLoop();
    expect(told).toEqual(['one', 'two']);
    await turnOfTheEventLoop();
    expect(told).toEqual(['one', 'two', 'next']);
  });
});

describe('deadlines', () => {
  const watchedBy = (loop: Loop, deadlineMs: number, onDeadline: (nowMs: number) => void): Watched => {
    const one: Watched = { deadlineMs, watchIndex: -1, onDeadline };
    loop.watch(one);
    return one;
  };

  test('are met when they have come, and not before', async () => {
    const clock = manualClock();
    using loop = closing(new Loop(clock));
    const met: string[] = [];
    let sweeps = 0;
    watchedBy(loop, Number.NEGATIVE_INFINITY, () => void sweeps++);
    const one = watchedBy(loop, 100, (nowMs) => {
      met.push(`one at ${nowMs}`);
      one.deadlineMs = Number.POSITIVE_INFINITY;
    });
    watchedBy(loop, Number.POSITIVE_INFINITY, () => met.push('never'));
    clock.advance(99);
    const sweptTo = sweeps + 2;
    await until('it has swept', () => sweeps >= sweptTo);
    expect(met).toEqual([]);
    clock.advance(1);
    await until('it is met', () => met.length > 0);
    const sweptTwice = sweeps + 2;
    await until('it has swept again', () => sweeps >= sweptTwice);
    expect(met).toEqual(['one at 100']);
  });

  test('are met by all, though some go with theirs and take others along', async () => {
    using loop = closing(new Loop(manualClock()));
    const met: number[] = [];
    const all: Watched[] = [];
    for (let n = 0; n < 6; n++)
      all.push(
        watchedBy(loop, 0, () => {
          met.push(n);
          loop.unwatch(all[n]!);
          if (n === 4) loop.unwatch(all[5]!);
          if (n === 3) loop.unwatch(all[0]!);
        }),
      );
    await until('all are gone', () => all.every(({ watchIndex }) => watchIndex === -1));
    expect(met.sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('of those who have gone are not met, in whatever order and however often they go', async () => {
    using loop = closing(new Loop(manualClock()));
    const met: string[] = [];
    watchedBy(loop, 0, () => met.push('there'));
    const gone = ['one', 'two', 'three', 'four'].map((name) => watchedBy(loop, 0, () => met.push(name)));
    for (const at of [0, 3, 1, 0, 2]) loop.unwatch(gone[at]!);
    await until('it sweeps', () => met.length > 1);
    expect(new Set(met)).toEqual(new Set(['there']));
  });

  test('of a loop that is closed are not met, and whoever it watched may go later', async () => {
    const loop = new Loop(manualClock());
    const met: string[] = [];
    const one = watchedBy(loop, 0, () => met.push('one'));
    const other = watchedBy(loop, 0, () => met.push('other'));
    loop.close();
    loop.unwatch(one);
    loop.unwatch(other);
    const open = new Loop(manualClock());
    let sweeps = 0;
    watchedBy(open, 0, () => void sweeps++);
    await until('another one sweeps', () => sweeps > 2);
    open.close();
    expect(met).toEqual([]);
  });
});

const closing = (loop: Loop): Loop & Disposable => Object.assign(loop, { [Symbol.dispose]: () => loop.close() });

test('an alarm goes off at the end of the first turn behind its time', () => {
  const clock = manualClock();
  const loop = new Loop(clock);
  const alarms: boolean[] = [];
  loop.alarmMs = 10;
  loop.onAlarm = () => {
    alarms.push(loop.inTurn);
    loop.alarmMs = Number.POSITIVE_INFINITY;
  };
  loop.turn(() => clock.advance(10));
  expect(alarms).toEqual([]);
  loop.turn(() => loop.turn(() => expect(alarms).toEqual([])));
  loop.turn(() => {});
  expect(alarms).toEqual([false]);
});

test('buffers that come back are used again, and no others are kept', () => {
  const loop = new Loop(manualClock());
  const buffer = loop.takeBuffer();
  loop.giveBuffer(Buffer.alloc(10));
  loop.giveBuffer(Buffer.alloc(buffer.length + 1));
  expect(loop.takeBuffer()).toHaveLength(buffer.length);
  loop.giveBuffer(buffer);
  expect(loop.takeBuffer()).toBe(buffer);
});

test('a view of a buffer has its first octets, and is never one of another', () => {
  const loop = new Loop(manualClock());
  const [one, other] = [loop.takeBuffer(), loop.takeBuffer()];
  for (const buffer of [one, other, one, Buffer.alloc(100)])
    for (const length of [5, 37, 5, 69]) {
      const view = loop.view(buffer, length);
      expect([view.buffer === buffer.buffer, view.byteOffset, view.length]).toEqual([true, buffer.byteOffset, length]);
    }
});

describe('large things', () => {
  const READ = 4 * (16_384 - 9);
  /** Something that is being read for as long as it may be. */
  const reader = () => {
    const one = {
      resting: false,
      turns: 0,
      readOn() {
        one.turns++;
      },
    };
    return one;
  };

  test('stand in line: one read of them in a turn of the event loop, first come first served', async () => {
    const loop = new Loop(manualClock());
    const many = Array.from({ length: 4 }, reader);
    // Whoever is ready has read once before it can be told to wait.
    expect(many.map((one) => loop.hasReadEnough(one, READ))).toEqual([true, true, true, true]);
    await turnOfTheEventLoop();
    expect(many.map(({ turns }) => turns)).toEqual([1, 0, 0, 0]);
    await turnOfTheEventLoop();
    expect(many.map(({ turns }) => turns)).toEqual([1, 1, 0, 0]);
    loop.close();
  });

  test('do not make small ones wait, nor one of them that is alone for more than a moment', async () => {
    const loop = new Loop(manualClock());
    const [large, small] = [reader(), reader()];
    // In records of TLS: four of them are one read.
    expect(Array.from({ length: 4 }, () => loop.hasReadEnough(large, READ / 4))).toEqual([false, false, false, true]);
    expect(Array.from({ length: 1000 }, () => loop.hasReadEnough(small, 1000))).not.toContain(true);
    // What TLS had already comes all the same; nobody stands in line twice.
    expect(loop.hasReadEnough(large, READ / 4)).toBe(false);
    await turnOfTheEventLoop();
    expect([large.turns, large.resting, loop.hasReadEnough(large, READ / 4)]).toEqual([1, false, false]);
    loop.close();
  });
});
