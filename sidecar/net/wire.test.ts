import { manualClock } from '../../lib/clock.ts';
import { connectedEnds, type Ends } from '../../test/harness/ends.ts';
import { until } from '../../test/harness/until.ts';
import { adapter } from './adapter.ts';
import { Loop } from './loop.ts';
import { nobody, Wire, type WireOwner } from './wire.ts';

/** From so much on output does not wait for the end of the turn of the event loop. */
const CROWD = 64 * 1024;
/** More than any buffer of the loop holds. */
const LARGE = 300_000;
/** More than the kernel takes of who does not read. */
const HUGE = 16 * 1024 * 1024;

interface Told extends WireOwner {
  text: string;
  readonly events: string[];
}

interface Line extends AsyncDisposable {
  readonly loop: Loop;
  readonly wire: Wire;
  readonly owner: Told;
  readonly far: Ends['far'];
  /** All that has come to the other end. */
  heard(): Buffer;
  readonly heardOctets: number;
  write(text: string | Buffer): void;
}

async function line(): Promise<Line> {
  const ends = await connectedEnds();
  const loop = new Loop(manualClock());
  const owner: Told = {
    text: '',
    events: [],
    onOctets(buf, start, end) {
      owner.text += buf.toString('latin1', start, end);
    },
    onEnd: () => owner.events.push('end'),
    onClose: (error) => owner.events.push(`close${error === undefined ? '' : `: ${error.message}`}`),
    onDrained: () => owner.events.push('drained'),
  };
  const pieces: Buffer[] = [];
  let heardOctets = 0;
  ends.far.on('data', (octets: Buffer) => {
    pieces.push(octets);
    heardOctets += octets.length;
  });
  const wire = new Wire(ends.near, owner, loop);
  return {
    loop,
    wire,
    owner,
    far: ends.far,
    heard: () => Buffer.concat(pieces),
    get heardOctets() {
      return heardOctets;
    },
    write: (text) => wire.writeOctets(Buffer.from(text), 0, text.length),
    async [Symbol.asyncDispose]() {
      await ends[Symbol.asyncDispose]();
      await until('the wire is gone', () => wire.closed);
      loop.close();
    },
  };
}

const cycle = Uint8Array.from({ length: 253 }, (_, i) => (i * 7) % 253);
const pattern = (octets: number): Buffer => Buffer.alloc(octets, cycle);
const turnOfTheEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function hears(one: Line, octets: Buffer | string): Promise<void> {
  await until('it has come', () => one.heardOctets >= octets.length);
  expect(one.heard().equals(Buffer.from(octets))).toBe(true);
}

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
