import { data, END_STREAM, rst, SETTING, settings, windowUpdate } from '../../../test/harness/h2-frames.ts';
import { type SessionUnderTest, startSession, type TestStream } from '../../../test/harness/h2-session.ts';
import { Head } from '../message/head.ts';

/** Of a connection, and of each stream, that nobody has said anything about. */
const DEFAULT = 65_535;
/** Content of a frame that fills a TLS record with its head. */
const FRAME = 16_375;
const TURN = 64 * 1024;
const PLENTY = 2 ** 30;

const window = (octets: number): Buffer => settings([SETTING.INITIAL_WINDOW_SIZE, octets]);
/** With a connection window that is never in the way. */
async function startWith(streamWindow: number): Promise<SessionUnderTest> {
  const under = await startSession({ first: window(streamWindow) });
  under.hears(windowUpdate(0, PLENTY));
  return under;
}
const send = (under: SessionUnderTest, stream: TestStream, octets: number, last = false): void =>
  under.turn(() => {
    stream.sendData(Buffer.alloc(octets, 'x'), 0, octets);
    if (last) stream.sendLast(undefined);
  });
const isData = (one: string): boolean => one.startsWith('DATA');
/** Octets of DATA of a stream. */
const sent = (said: readonly string[], stream: number): number =>
  said.filter((one) => one.startsWith(`DATA ${stream} `)).reduce((sum, one) => sum + Number(one.split(' ').at(-1)), 0);

describe('content', () => {
  test('goes out in frames that fill a TLS record each', async () => {
    await using under = await startWith(PLENTY);
    send(under, under.open(), 2 * FRAME + 1);
    expect(await under.said()).toEqual([`DATA 1 ${FRAME}`, `DATA 1 ${FRAME}`, 'DATA 1 1']);
  });

  test('goes out as it was given', async () => {
    await using under = await startWith(10);
    const stream = under.open();
    const pieces: Buffer[] = [];
    under.far.on('data', (octets: Buffer) => pieces.push(octets));
    under.turn(() => {
      stream.sendData(Buffer.from('--one two three--'), 2, 15);
      stream.sendData(Buffer.from(' four'), 0, 5);
    });
    under.hears(windowUpdate(1, 100));
    await under.said();
    expect(
      Buffer.concat(pieces)
        .toString('latin1')
        .match(/[a-z ]{3,}/g),
    ).toEqual(['one two th', 'ree four']);
  });
});

describe('the window of a stream', () => {
  test('lets so much pass, and its update the rest', async () => {
    await using under = await startWith(100);
    const stream = under.open();
    send(under, stream, 250);
    expect(await under.said()).toEqual(['DATA 1 100']);
    expect([stream.buffered, stream.congested, stream.sendWindow]).toEqual([150, true, 0]);
    under.hears(windowUpdate(1, 50));
    expect(await under.said()).toEqual(['DATA 1 50']);
    expect(stream.events).toEqual([]);
    under.hears(windowUpdate(1, 1000));
    expect(await under.said()).toEqual(['DATA 1 100']);
    expect([stream.buffered, stream.congested, stream.sendWindow, stream.events]).toEqual([
      0,
      false,
      900,
      ['writable'],
    ]);
  });

  test('is its own: another stream goes on', async () => {
    await using under = await startWith(100);
    const [one, other] = [under.open(), under.open()];
    send(under, one, 200);
    send(under, other, 80);
    expect(await under.said()).toEqual(['DATA 1 100', 'DATA 3 80']);
    under.hears(windowUpdate(0, 1000));
    expect(await under.said()).toEqual([]);
  });
});

describe('SETTINGS in mid-stream', () => {
  test('that let streams have more send what waits', async () => {
    await using under = await startWith(100);
    const [one, other] = [under.open(), under.open()];
    send(under, one, 250);
    send(under, other, 120);
    expect(await under.said()).toEqual(['DATA 1 100', 'DATA 3 100']);
    under.hears(window(200));
    expect(await under.said()).toEqual(['SETTINGS ACK 0', 'DATA 1 100', 'DATA 3 20']);
    expect([one.sendWindow, other.sendWindow, under.open().sendWindow]).toEqual([0, 80, 200]);
  });

  test('that let them have less may take windows below nothing, from where updates must bring them back', async () => {
    await using under = await startWith(100);
    const stream = under.open();
    send(under, stream, 150);
    await under.said();
    under.hears(window(30));
    expect(stream.sendWindow).toBe(-70);
    under.hears(windowUpdate(1, 70));
    expect(await under.said()).toEqual(['SETTINGS ACK 0']);
    under.hears(windowUpdate(1, 1));
    expect(await under.said()).toEqual(['DATA 1 1']);
    under.hears(window(79));
    expect(await under.said()).toEqual(['SETTINGS ACK 0', 'DATA 1 49']);
    expect([stream.events, stream.sendWindow]).toEqual([['writable'], 0]);
  });

  test('of nothing stop everything that is new', async () => {
    await using under = await startWith(100);
    under.hears(window(0));
    const stream = under.open();
    send(under, stream, 5, true);
    expect(await under.said()).toEqual(['SETTINGS ACK 0']);
    under.hears(windowUpdate(1, 5));
    expect(await under.said()).toEqual(['DATA 1 END 5']);
  });
});

describe('the window of the connection', () => {
  test('is that of all streams together', async () => {
    await using under = await startSession({ first: window(PLENTY) });
    const [one, other] = [under.open(), under.open()];
    send(under, one, DEFAULT - 10);
    send(under, other, 30);
    expect(sent(await under.said(), 3)).toBe(10);
    expect([one.buffered, other.buffered, under.session.sender.window]).toEqual([0, 20, 0]);
    under.hears(windowUpdate(3, 1000));
    expect(await under.said()).toEqual([]);
    under.hears(windowUpdate(0, 20));
    expect(await under.said()).toEqual(['DATA 3 20']);
  });

  test('goes to those who wait in the order in which they came', async () => {
    await using under = await startSession({ first: window(PLENTY) });
    const streams = [under.open(), under.open(), under.open()];
    send(under, streams[0]!, DEFAULT);
    for (const stream of [streams[2]!, streams[1]!]) send(under, stream, 10);
    await under.said();
    under.hears(windowUpdate(0, 5));
    expect(await under.said()).toEqual(['DATA 5 5']);
    under.hears(windowUpdate(0, 5));
    expect(await under.said()).toEqual(['DATA 3 5']);
    under.hears(windowUpdate(0, 100));
    expect(await under.said()).toEqual(['DATA 5 5', 'DATA 3 5']);
  });
});

test('streams with much to send take turns', async () => {
  await using under = await startSession({ first: window(PLENTY) });
  const streams = [under.open(), under.open(), under.open()];
  send(under, streams[0]!, DEFAULT);
  await under.said();
  for (const stream of streams) send(under, stream, 5 * TURN);
  under.hears(windowUpdate(0, PLENTY));
  const turns: { id: number; octets: number }[] = [];
  for (const one of (await under.said()).filter(isData)) {
    const [, id, length] = one.split(' ').map(Number);
    if (turns.at(-1)?.id !== id) turns.push({ id: id!, octets: 0 });
    turns.at(-1)!.octets += length!;
  }
  expect(turns.slice(0, 6).map(({ id }) => id)).toEqual([1, 3, 5, 1, 3, 5]);
  expect(turns.filter(({ octets }) => octets >= 2 * TURN)).toEqual([]);
  expect(streams.map(({ buffered, events }) => [buffered, events])).toEqual(streams.map(() => [0, ['writable']]));
});

describe('the end of a message', () => {
  test('is a flag of its last DATA while that is still here', async () => {
    await using under = await startWith(1000);
    send(under, under.open(), 5, true);
    expect(await under.said()).toEqual(['DATA 1 END 5']);
  });

  test('is a flag of the right DATA, where others were written behind it', async () => {
    await using under = await startWith(1000);
    const [one, other] = [under.open(), under.open()];
    under.turn(() => {
      one.sendData(Buffer.from('one'), 0, 3);
      other.sendData(Buffer.from('other'), 0, 5);
      one.sendLast(undefined);
    });
    expect(await under.said()).toEqual(['DATA 1 END 3', 'DATA 3 5']);
  });

  test('is a frame of its own when that has gone', async () => {
    await using under = await startWith(1000);
    const stream = under.open();
    send(under, stream, 5);
    await under.said();
    under.turn(() => stream.sendLast(undefined));
    expect(await under.said()).toEqual(['DATA 1 END 0']);
  });

  test('is a flag of the right DATA where the output has outgrown its buffer', async () => {
    await using under = await startWith(PLENTY);
    const [one, other] = [under.open(), under.open()];
    under.turn(() => {
      one.sendData(Buffer.alloc(5), 0, 5);
      for (let n = 0; n < 3; n++) under.session.wire.room(200_000);
      other.sendData(Buffer.alloc(9), 0, 9);
      one.sendLast(undefined);
    });
    expect(await under.said()).toEqual(['DATA 1 END 5', 'DATA 3 9']);
  });

  test('comes behind what waits', async () => {
    await using under = await startWith(100);
    const stream = under.open();
    send(under, stream, 150, true);
    expect(await under.said()).toEqual(['DATA 1 100']);
    expect([stream.localClosed, stream.events]).toEqual([false, []]);
    under.hears(windowUpdate(1, 50));
    expect(await under.said()).toEqual(['DATA 1 END 50']);
    expect([stream.localClosed, stream.events]).toEqual([true, ['sent all']]);
  });

  test('with trailers comes behind what waits, with those of the time', async () => {
    await using under = await startWith(100);
    const stream = under.open();
    const trailers = new Head();
    send(under, stream, 150);
    under.turn(() => stream.sendLast(trailers));
    expect([under.session.events, stream.localClosed]).toEqual([[], false]);
    under.hears(windowUpdate(1, 50));
    expect(await under.said()).toEqual(['DATA 1 100', 'DATA 1 50']);
    expect(under.session.events).toEqual(['trailers of 1: 0']);
    expect(stream.localClosed).toBe(true);
  });

  test('is the end of the stream when the other end has said all', async () => {
    await using under = await startWith(100);
    const stream = under.open();
    under.hears(data(1, '', END_STREAM));
    send(under, stream, 150, true);
    expect(stream.events).toEqual(['end']);
    under.hears(windowUpdate(1, 50));
    expect(stream.events).toEqual(['end', 'closed']);
    expect(under.session.streams.size).toBe(0);
    // Nothing more can be said on it.
    send(under, stream, 5, true);
    expect(await under.said()).toEqual(['DATA 1 100', 'DATA 1 END 50']);
  });
});

describe('a stream that is reset while something waits', () => {
  test.each([
    ['by the other end', (under: SessionUnderTest): void => under.hears(rst(3)), []],
    ['by us', (under, stream) => under.turn(() => stream.reset(8)), ['RST_STREAM 3 CANCEL']],
  ] as readonly [string, (under: SessionUnderTest, stream: TestStream) => void, readonly string[]][])(
    '(%s) has nothing more to send, and the others have their turn',
    async (_, reset, expected) => {
      await using under = await startSession({ first: window(PLENTY) });
      const streams = [under.open(), under.open(), under.open()];
      for (const stream of streams) send(under, stream, DEFAULT, true);
      await under.said();
      reset(under, streams[1]!);
      expect(await under.said()).toEqual(expected);
      expect(streams.map(({ buffered }) => buffered)).toEqual([0, 0, DEFAULT]);
      under.hears(windowUpdate(0, DEFAULT));
      const said = await under.said();
      expect([sent(said, 3), sent(said, 5)]).toEqual([0, DEFAULT]);
    },
  );

  test('leaves nothing behind for the next one that uses its object', async () => {
    await using under = await startWith(100);
    const stream = under.open();
    send(under, stream, 150, true);
    under.hears(rst(1));
    await under.said();
    under.session.lastStream = 3;
    stream.open(3);
    stream.events.length = 0;
    under.hears(windowUpdate(3, 1000), windowUpdate(0, 1000));
    expect(await under.said()).toEqual([]);
    expect([stream.buffered, stream.localClosed, stream.events]).toEqual([0, false, []]);
  });
});

test('what the wire cannot take waits, until it can', async () => {
  await using under = await startWith(PLENTY);
  const [one, other] = [under.open(), under.open()];
  under.far.pause();
  under.turn(() => {
    one.sendData(Buffer.alloc(TURN), 0, TURN);
    other.sendData(Buffer.alloc(TURN), 0, TURN);
    expect([one.buffered, other.buffered]).toEqual([0, TURN]);
  });
  // The kernel has taken the first, which lets the second follow.
  under.far.resume();
  const said = await under.said();
  expect([sent(said, 1), sent(said, 3), other.events]).toEqual([TURN, TURN, ['writable']]);
});
