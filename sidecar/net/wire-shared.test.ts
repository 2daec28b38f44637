// Wires that many exchanges share, and what is gathered: when it is written.
import { until } from '../../test/harness/until.ts';
import { hears, line, pattern, turnOfTheEventLoop } from '../../test/harness/wire.ts';

/** From so much on output does not wait for the end of the turn of the event loop. */
const CROWD = 64 * 1024;
/** More than the kernel takes of who does not read. */
const HUGE = 16 * 1024 * 1024;

describe('a wire that many exchanges share', () => {
  test('writes once in a turn of the event loop, behind all that was read in it', async () => {
    await using one = await line();
    one.wire.shared = true;
    one.loop.turn(() => one.write('one '));
    one.loop.turn(() => one.write('two '));
    await Promise.resolve();
    one.loop.turn(() => one.write('three'));
    expect([one.wire.flushes, one.wire.pending]).toEqual([0, 13]);
    await turnOfTheEventLoop();
    expect([one.wire.flushes, one.wire.pending]).toEqual([1, 0]);
    await hears(one, 'one two three');
    one.loop.turn(() => one.write('!'));
    await turnOfTheEventLoop();
    expect(one.wire.flushes).toBe(2);
  });

  test('is crowded from 64 KiB on, writes them at the end of the turn, and tells that there is room', async () => {
    await using one = await line();
    one.wire.shared = true;
    one.loop.turn(() => {
      one.wire.writeOctets(pattern(CROWD), 0, CROWD - 1);
      expect([one.wire.crowded, one.wire.congested]).toEqual([false, false]);
      one.write('x');
      expect([one.wire.crowded, one.wire.congested]).toEqual([true, true]);
    });
    expect([one.wire.flushes, one.wire.crowded, one.owner.events]).toEqual([1, false, ['drained']]);
    await until('it has come', () => one.heardOctets === CROWD);
  });

  test('below that waits, and does not tell whoever has not asked', async () => {
    await using one = await line();
    one.wire.shared = true;
    one.loop.turn(() => one.wire.writeOctets(pattern(CROWD), 0, CROWD - 1));
    expect(one.wire.flushes).toBe(0);
    one.loop.turn(() => one.write('x'));
    expect(one.wire.flushes).toBe(1);
    await turnOfTheEventLoop();
    expect([one.wire.flushes, one.owner.events]).toEqual([1, []]);
  });

  test('stays crowded while the kernel takes nothing', async () => {
    await using one = await line();
    one.wire.shared = true;
    one.far.pause();
    one.loop.turn(() => one.wire.writeOctets(pattern(HUGE), 0, HUGE));
    expect(one.wire.crowded).toBe(true);
    await turnOfTheEventLoop();
    expect([one.wire.crowded, one.owner.events]).toEqual([true, []]);
    one.far.resume();
    await until('it is told', () => one.owner.events.length > 0);
    expect([one.wire.crowded, one.owner.events]).toEqual([false, ['drained']]);
  });
});

test('what is gathered is written once, whichever wire it is on', async () => {
  await using one = await line();
  for (const text of ['one ', 'two ', 'three'])
    one.loop.turn(() => {
      one.loop.gathering = true;
      one.write(text);
      one.loop.gathering = false;
    });
  expect(one.wire.flushes).toBe(0);
  await turnOfTheEventLoop();
  expect(one.wire.flushes).toBe(1);
  await hears(one, 'one two three');
});
