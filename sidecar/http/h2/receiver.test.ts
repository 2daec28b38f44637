import { data, END_STREAM, frame, PADDED, settings } from '../../../test/harness/h2-frames.ts';
import { type SessionUnderTest, startSession, type TestStream } from '../../../test/harness/h2-session.ts';

/** Of a stream. */
const WINDOW = 1000;
const CONNECTION = 100_000;
/** Of a connection that nobody has said anything about. */
const DEFAULT = 65_535;
const FRAME = 16_384;
const MAX_HELD = 4 * 1024 * 1024;

const start = (limits = {}): Promise<SessionUnderTest> =>
  startSession({ limits: { streamWindow: WINDOW, connectionWindow: CONNECTION, ...limits } });
const octets = (stream: number, length: number, flags = 0): Buffer => data(stream, Buffer.alloc(length, 'x'), flags);
const padding = (stream: number, length: number, flags = 0): Buffer =>
  frame('DATA', PADDED | flags, stream, Buffer.concat([Buffer.from([length - 1]), Buffer.alloc(length - 1)]));

describe('the window of a stream', () => {
  test('opens again when half of it has been passed on, as far as that', async () => {
    await using under = await start();
    const stream = under.open();
    under.hears(octets(1, WINDOW / 2 - 1));
    expect(await under.said()).toEqual([]);
    under.hears(octets(1, 1));
    expect(await under.said()).toEqual([`WINDOW_UPDATE 1 ${WINDOW / 2}`]);
    expect([stream.received.length, stream.receiveWindow]).toEqual([WINDOW / 2, WINDOW]);
  });

  test('gets back what was padding, too', async () => {
    await using under = await start();
    const stream = under.open();
    for (let n = 0; n < 2; n++)
      under.hears(frame('DATA', PADDED, 1, Buffer.concat([Buffer.from([240]), Buffer.alloc(250)])));
    expect(await under.said()).toEqual(['WINDOW_UPDATE 1 502']);
    expect([stream.received.length, stream.receiveWindow]).toEqual([20, WINDOW]);
  });

  test('opens with a whole frame, not with pieces of one', async () => {
    await using under = await start();
    under.open();
    const one = octets(1, 800);
    under.hears(one.subarray(0, 700));
    expect(await under.said()).toEqual([]);
    under.hears(one.subarray(700));
    expect(await under.said()).toEqual(['WINDOW_UPDATE 1 800']);
  });

  test('may be used to its last octet, and not beyond', async () => {
    await using under = await start();
    const stream = under.open();
    stream.pause();
    under.hears(octets(1, 999), octets(1, 1));
    expect(await under.said()).toEqual([]);
    under.hears(octets(1, 1));
    expect(await under.said()).toEqual(['RST_STREAM 1 FLOW_CONTROL_ERROR']);
    expect([stream.received.length, stream.events.at(-1)]).toEqual([WINDOW, 'closed']);
  });

  test('does not open when the other end has said all', async () => {
    await using under = await start();
    const stream = under.open();
    under.hears(octets(1, 900, END_STREAM));
    expect(await under.said()).toEqual([]);
    expect(stream.events).toEqual(['end']);
  });
});

describe('of a stream whose taker is paused', () => {
  test('the window stays as it is until that goes on, and then opens by all that it has taken', async () => {
    await using under = await start();
    const stream = under.open();
    stream.taking = () => stream.pause();
    under.hears(octets(1, 600), octets(1, 300));
    expect(await under.said()).toEqual([]);
    expect([stream.received.length, stream.heldBack]).toEqual([900, 900]);
    under.turn(() => stream.resume());
    expect(await under.said()).toEqual(['WINDOW_UPDATE 1 900']);
    expect([stream.receiveWindow, stream.heldBack]).toEqual([WINDOW, 0]);
    under.turn(() => stream.resume());
    expect(await under.said()).toEqual([]);
  });

  test('what it holds counts for the connection as taken: others go on', async () => {
    await using under = await start({ streamWindow: CONNECTION });
    const stream = under.open();
    stream.pause();
    for (let n = 0; n < 4; n++) under.hears(octets(1, FRAME));
    expect(await under.said()).toEqual([`WINDOW_UPDATE 0 ${4 * FRAME}`]);
  });

  test('no more than 4 MiB of all of them do', async () => {
    await using under = await start({ streamWindow: 2 * MAX_HELD });
    const streams = [under.open(), under.open()];
    for (const stream of streams) stream.pause();
    const frames = MAX_HELD / FRAME + Math.floor(CONNECTION / FRAME);
    for (let n = 0; n < frames; n++) under.hears(octets(streams[n % 2]!.id, FRAME));
    const given = opened(await under.said(), 0);
    expect(given).toBeLessThanOrEqual(MAX_HELD);
    expect(given).toBeGreaterThan(MAX_HELD - CONNECTION / 2);
    // As soon as they take it, the connection has all of it back.
    for (const stream of streams) under.turn(() => stream.resume());
    const rest = opened(await under.said(), 0);
    expect(frames * FRAME - given - rest).toBeLessThan(CONNECTION / 2);
  });

  test('whoever sends beyond that is ended with its connection', async () => {
    await using under = await start({ streamWindow: 2 * MAX_HELD });
    under.open().pause();
    for (let n = 0; n < MAX_HELD / FRAME + CONNECTION / FRAME + 1; n++) under.hears(octets(1, FRAME));
    expect((await under.lastWords()).at(-1)).toBe('GOAWAY 0 FLOW_CONTROL_ERROR');
  });

  test('what it held goes back to the connection when it is reset', async () => {
    await using under = await start({ streamWindow: 2 * MAX_HELD });
    const stream = under.open();
    stream.pause();
    for (let n = 0; n < MAX_HELD / FRAME + 5; n++) under.hears(octets(1, FRAME));
    await under.said();
    under.turn(() => stream.reset(8));
    expect(opened(await under.said(), 0)).toBeGreaterThanOrEqual(4 * FRAME);
    under.turn(() => stream.resume());
    expect(await under.said()).toEqual([]);
  });
});

const opened = (said: readonly string[], stream: number): number =>
  said
    .filter((one) => one.startsWith(`WINDOW_UPDATE ${stream} `))
    .reduce((sum, one) => sum + Number(one.split(' ')[2]), 0);

describe('the window of the connection', () => {
  test('opens first as far as the limit says', async () => {
    await using under = await startSession({ limits: { connectionWindow: CONNECTION }, first: null });
    expect(await under.said()).toEqual(['SETTINGS 0', `WINDOW_UPDATE 0 ${CONNECTION - DEFAULT}`]);
  });

  test('opens again when half of it is used up, by whatever streams', async () => {
    await using under = await start({ streamWindow: CONNECTION });
    under.open();
    under.open();
    under.hears(octets(1, FRAME), octets(3, FRAME), octets(1, FRAME, END_STREAM), octets(3, 847));
    expect(await under.said()).toEqual([]);
    under.hears(octets(3, 1));
    expect(await under.said()).toEqual(['WINDOW_UPDATE 0 50000']);
  });

  test('is used up by streams that are over, and gets that back', async () => {
    await using under = await start({ streamWindow: CONNECTION });
    const stream = under.open();
    under.turn(() => stream.reset(8));
    await under.said();
    for (let n = 0; n < 4; n++) under.hears(octets(1, FRAME));
    expect(await under.said()).toEqual([`WINDOW_UPDATE 0 ${4 * FRAME}`]);
    expect(stream.received).toBe('');
  });
});

describe('DATA', () => {
  test.each([
    ['on stream 0', (): Buffer => data(0, 'x'), 'PROTOCOL_ERROR'],
    ['on a stream that was never opened', () => data(5, 'x'), 'PROTOCOL_ERROR'],
  ])('%s ends the connection', async (_, octetsOf, error) => {
    await using under = await start();
    under.open();
    under.hears(octetsOf());
    expect(await under.lastWords()).toEqual([`GOAWAY 0 ${error}`]);
  });

  test('before any SETTINGS ends the connection', async () => {
    await using under = await startSession({ first: null });
    under.open();
    await under.said();
    under.hears(data(1, 'x'), settings());
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
  });

  test('on a stream that both ends have closed ends the connection', async () => {
    await using under = await start();
    const stream = under.open();
    under.turn(() => stream.sendLast(undefined));
    under.hears(data(1, '', END_STREAM));
    expect(stream.events).toEqual(['sent all', 'end', 'closed']);
    await under.said();
    under.hears(data(1, 'x'));
    expect(await under.lastWords()).toEqual(['GOAWAY 0 STREAM_CLOSED']);
  });

  test('behind the end of a message resets its stream', async () => {
    await using under = await start();
    const stream = under.open();
    under.hears(data(1, 'all', END_STREAM), data(1, 'more'));
    expect(await under.said()).toEqual(['RST_STREAM 1 STREAM_CLOSED']);
    expect(stream.received).toBe('all');
  });

  test('of a frame whose stream ends meanwhile is nobody else’s, though its object be used again', async () => {
    await using under = await start();
    const stream = under.open();
    const one = data(1, 'of the first', END_STREAM);
    under.hears(one.subarray(0, 15));
    under.turn(() => stream.reset(8));
    under.session.lastStream = 3;
    stream.open(3);
    stream.received = '';
    stream.events.length = 0;
    under.hears(one.subarray(15));
    expect([stream.received, stream.events, stream.unacked]).toEqual(['', [], 0]);
  });
});

describe('content of which the length was said', () => {
  const known = (under: SessionUnderTest, length: number): TestStream => {
    const stream = under.open();
    stream.contentLeft = length;
    return stream;
  };

  test('is that long', async () => {
    await using under = await start();
    const stream = known(under, 5);
    under.hears(data(1, 'he'), data(1, 'llo', END_STREAM));
    expect(await under.said()).toEqual([]);
    expect([stream.received, stream.events]).toEqual(['hello', ['end']]);
  });

  test.each([
    ['longer', [data(1, 'hell'), data(1, 'o!')], 'hell'],
    ['shorter', [data(1, 'hell', END_STREAM)], 'hell'],
  ])('is not %s', async (_, frames, received) => {
    await using under = await start();
    const stream = known(under, 5);
    under.hears(...frames);
    expect(await under.said()).toEqual(['RST_STREAM 1 PROTOCOL_ERROR']);
    expect([stream.received, stream.events.includes('end')]).toEqual([received, false]);
  });
});

describe('DATA that carries nothing', () => {
  const limits = { emptyFrames: 2 };

  test.each([
    ['empty', (): Buffer => data(1, '')],
    ['padding', () => padding(1, 10)],
  ])('(%s) may come a few times in a row', async (_, empty) => {
    await using under = await start(limits);
    under.open();
    under.hears(empty(), empty(), data(1, 'x'), empty(), empty());
    expect(await under.said()).toEqual([]);
    under.hears(empty());
    expect(await under.lastWords()).toEqual(['GOAWAY 0 ENHANCE_YOUR_CALM']);
  });

  test('and ends a message is not counted', async () => {
    await using under = await start(limits);
    for (let n = 0; n < 10; n++) under.hears(data(under.open().id, '', END_STREAM));
    expect(await under.said()).toEqual([]);
  });
});

test('what is written while content comes is gathered, and nothing else', async () => {
  await using under = await start();
  const stream = under.open();
  const { loop } = under.session;
  const seen: boolean[] = [];
  stream.taking = () => void seen.push(loop.gathering);
  under.hears(data(1, 'x'));
  expect([seen, loop.gathering]).toEqual([[true], false]);
});
