import { until } from '../../test/harness/until.ts';
import { hears, type Line, line, pattern, turnOfTheEventLoop } from '../../test/harness/wire.ts';
import { adapter } from './adapter.ts';
import { nobody } from './wire.ts';

/** More than any buffer of the loop holds. */
const LARGE = 300_000;
/** More than the kernel takes of who does not read. */
const HUGE = 16 * 1024 * 1024;
/** More than is read in one turn of the event loop. */
const MUCH = 2 * 1024 * 1024;

afterEach(() => {
  adapter.mode = 'direct';
});

describe.each(['direct', 'public'] as const)('with the %s way to write', (mode) => {
  beforeEach(() => {
    adapter.mode = mode;
  });

  test('two writes of one turn are one system call, at its end', async () => {
    await using one = await line();
    one.loop.turn(() => {
      one.write('one ');
      one.loop.turn(() => one.write('two '));
      one.wire.writeText('three');
      expect([one.wire.flushes, one.wire.pending]).toEqual([0, 13]);
    });
    expect([one.wire.flushes, one.wire.octetsOut]).toEqual([1, 13]);
    await hears(one, 'one two three');
    await until('the kernel has it', () => one.wire.flushed);
    expect(one.wire.pending).toBe(0);
  });

  test('each turn of a wire of one exchange is written by itself', async () => {
    await using one = await line();
    one.loop.turn(() => one.write('one '));
    if (mode === 'public') await until('the first is written', () => one.wire.flushed);
    one.loop.turn(() => one.write('two'));
    expect(one.wire.flushes).toBe(2);
    await hears(one, 'one two');
  });

  test('output that outgrows its buffer comes whole, and in order', async () => {
    await using one = await line();
    const octets = pattern(LARGE);
    one.loop.turn(() => {
      for (let at = 0; at < LARGE; at += 10_007) one.wire.writeOctets(octets, at, Math.min(LARGE, at + 10_007));
    });
    expect(one.wire.flushes).toBe(1);
    await hears(one, octets);
  });

  test('one piece larger than any buffer comes whole', async () => {
    await using one = await line();
    const octets = pattern(LARGE);
    one.loop.turn(() => one.wire.writeOctets(octets, 0, LARGE));
    await hears(one, octets);
  });

  test('what is written while the kernel takes no more follows, in one piece', async () => {
    await using one = await line();
    one.far.pause();
    const octets = pattern(HUGE);
    one.loop.turn(() => one.wire.writeOctets(octets, 0, HUGE));
    for (const text of ['one ', 'two ', 'three']) one.loop.turn(() => one.write(text));
    expect([one.wire.flushes, one.wire.flushed, one.wire.pending]).toEqual([1, false, HUGE + 13]);
    one.far.resume();
    await hears(one, Buffer.concat([octets, Buffer.from('one two three')]));
    expect(one.wire.flushes).toBe(2);
  });

  test('a wire whose other end does not read is congested, until that has read', async () => {
    await using one = await line();
    one.far.pause();
    one.loop.turn(() => one.wire.writeOctets(pattern(HUGE), 0, HUGE));
    expect([one.wire.congested, one.owner.events]).toEqual([true, []]);
    one.far.resume();
    await until('it is told', () => one.owner.events.length > 0);
    expect([one.wire.congested, one.wire.pending, one.owner.events]).toEqual([false, 0, ['drained']]);
  });

  test('an end comes behind what was written, and reading goes on', async () => {
    await using one = await line();
    one.far.pause();
    one.loop.turn(() => {
      one.wire.writeOctets(pattern(HUGE), 0, HUGE);
      one.wire.end();
      one.wire.end();
    });
    let ended = -1;
    one.far.on('end', () => {
      ended = one.heardOctets;
      one.far.end('last words');
    });
    one.far.resume();
    await until('the other end has it', () => ended >= 0);
    expect(ended).toBe(HUGE);
    await until('both have ended', () => one.owner.events.includes('end'));
    expect(one.owner.text).toBe('last words');
  });

  test('what was said before it is destroyed still goes out, and nothing after', async () => {
    await using one = await line();
    one.loop.turn(() => {
      one.write('goodbye');
      one.wire.destroy();
      one.write('!');
      one.wire.writeText('!');
    });
    expect([one.wire.closed, one.owner.events]).toEqual([true, ['close']]);
    await hears(one, 'goodbye');
    await until('it has ended', () => one.far.readableEnded);
    expect([one.heardOctets, one.owner.events]).toEqual([7, ['close']]);
  });

  test('nothing is heard while it is paused', async () => {
    await using one = await line();
    one.far.write('one');
    await until('it hears', () => one.owner.text === 'one');
    one.wire.pause();
    one.far.write(' two');
    for (let n = 0; n < 20; n++) await turnOfTheEventLoop();
    expect([one.owner.text, one.wire.paused]).toEqual(['one', true]);
    one.wire.resume();
    await until('it hears again', () => one.owner.text === 'one two');
    expect(one.wire.octetsIn).toBe(7);
  });

  test('a write to who is gone ends the wire, once', async () => {
    await using one = await line();
    one.far.resetAndDestroy();
    for (let n = 0; !one.wire.closed && n < 1000; n++) {
      one.loop.turn(() => one.write('hello?'));
      await turnOfTheEventLoop();
    }
    expect(one.owner.events.filter((event) => event.startsWith('close'))).toEqual([expect.stringMatching(/^close: /)]);
  });
});

describe('the buffer of a wire goes back to the loop', () => {
  /** The only one that there is to take. */
  const bufferOf = ({ loop }: Line): Buffer => {
    const buffer = loop.takeBuffer();
    loop.giveBuffer(buffer);
    return buffer;
  };

  test('when it has been written', async () => {
    await using one = await line();
    const buffer = bufferOf(one);
    one.loop.turn(() => {
      one.write('x');
      expect(one.wire.room(0)).toBe(buffer);
    });
    expect(one.loop.takeBuffer()).toBe(buffer);
  });

  test('when a larger one takes its place', async () => {
    await using one = await line();
    const buffer = bufferOf(one);
    one.loop.turn(() => {
      one.write('x');
      one.wire.writeOctets(pattern(LARGE), 0, LARGE);
      expect(one.loop.takeBuffer()).toBe(buffer);
    });
  });

  test('when the wire ends before it is written', async () => {
    await using one = await line();
    one.far.pause();
    one.loop.turn(() => one.wire.writeOctets(pattern(HUGE), 0, HUGE));
    // The pooled one that the large one has taken the place of.
    const buffer = bufferOf(one);
    one.loop.turn(() => one.write('x'));
    expect(one.wire.room(0)).toBe(buffer);
    one.loop.turn(() => one.wire.destroy());
    expect(one.loop.takeBuffer()).toBe(buffer);
  });
});

test('a wire that nobody owns takes what comes, and says nothing', async () => {
  await using one = await line();
  one.wire.owner = nobody;
  one.far.write('hello');
  await until('it came', () => one.wire.octetsIn === 5);
  one.far.end();
  await until('it ended', () => one.wire.socket.readableEnded);
  expect([one.owner.text, one.owner.events]).toEqual(['', []]);
});

test('a connection that was paused while others had their turn stays paused', async () => {
  await using one = await line();
  const { onOctets } = one.owner;
  one.owner.onOctets = (buf, start, end) => {
    onOctets(buf, start, end);
    if (one.wire.octetsIn >= 256 * 1024) one.wire.pause();
  };
  one.far.write(pattern(MUCH));
  await until('it is paused', () => one.wire.paused);
  const then = one.wire.octetsIn;
  for (let n = 0; n < 5; n++) await turnOfTheEventLoop();
  expect(one.wire.octetsIn).toBe(then);
  one.owner.onOctets = onOctets;
  one.wire.resume();
  await until('all is heard', () => one.wire.octetsIn === MUCH);
});

test('a connection with much to say reads nothing while it stands behind others, and all of it afterwards', async () => {
  await using one = await line();
  const others = Array.from({ length: 200 }, () => ({ resting: false, readOn() {} }));
  for (const other of others) one.loop.hasReadEnough(other, MUCH);
  const { onOctets } = one.owner;
  let early = 0;
  let rested = false;
  one.owner.onOctets = (buf, start, end) => {
    if (one.wire.resting) early++;
    onOctets(buf, start, end);
    setImmediate(() => {
      rested ||= one.wire.resting;
    });
  };
  one.far.write(pattern(MUCH));
  await until('all is heard', () => one.wire.octetsIn === MUCH);
  expect(one.owner.text).toBe(pattern(MUCH).toString('latin1'));
  expect([early, rested]).toEqual([0, true]);
});
