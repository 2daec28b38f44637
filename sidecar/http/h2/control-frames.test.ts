import {
  ACK,
  type FrameType,
  frame,
  goaway,
  rst,
  SETTING,
  settings,
  uint32,
  windowUpdate,
} from '../../../test/harness/h2-frames.ts';
import { type SessionOptions, startSession } from '../../../test/harness/h2-session.ts';

const MOST = 2 ** 31 - 1;
const ping = (text = '8 octets', flags = 0): Buffer => frame('PING', flags, 0, Buffer.from(text));
const unknown = Buffer.from([0, 0, 0, 0xfa, 0, 0, 0, 0, 0]);
const ackOfSettings = frame('SETTINGS', ACK, 0);
/** Depends on stream 5. */
const priority = (stream: number): Buffer => frame('PRIORITY', 0, stream, Buffer.from([0, 0, 0, 5, 1]));

async function ends(octets: Buffer, error: string, options: SessionOptions = {}): Promise<void> {
  await using under = await startSession(options);
  under.open();
  under.hears(octets);
  expect((await under.lastWords()).at(-1)).toBe(`GOAWAY 0 ${error}`);
}

describe('a frame that is not what it must be ends the connection', () => {
  const on = (stream: number, type: FrameType, length: number): Buffer =>
    frame(type, 0, stream, Buffer.alloc(length, 1));
  test.each([
    ['SETTINGS on a stream', on(1, 'SETTINGS', 0), 'PROTOCOL_ERROR'],
    ['SETTINGS with half an entry', on(0, 'SETTINGS', 7), 'FRAME_SIZE_ERROR'],
    ['an acknowledgement with settings', frame('SETTINGS', ACK, 0, Buffer.alloc(6)), 'FRAME_SIZE_ERROR'],
    ['PING on a stream', on(1, 'PING', 8), 'PROTOCOL_ERROR'],
    ['PING of 7 octets', on(0, 'PING', 7), 'FRAME_SIZE_ERROR'],
    ['PING of 9 octets', on(0, 'PING', 9), 'FRAME_SIZE_ERROR'],
    ['GOAWAY on a stream', on(1, 'GOAWAY', 8), 'PROTOCOL_ERROR'],
    ['GOAWAY of 7 octets', on(0, 'GOAWAY', 7), 'FRAME_SIZE_ERROR'],
    ['WINDOW_UPDATE of 3 octets', on(1, 'WINDOW_UPDATE', 3), 'FRAME_SIZE_ERROR'],
    ['WINDOW_UPDATE of 5 octets', on(0, 'WINDOW_UPDATE', 5), 'FRAME_SIZE_ERROR'],
    ['WINDOW_UPDATE of 0', windowUpdate(0, 0), 'PROTOCOL_ERROR'],
    ['WINDOW_UPDATE of a stream that was never opened', windowUpdate(5, 1), 'PROTOCOL_ERROR'],
    ['WINDOW_UPDATE beyond 2^31-1', windowUpdate(0, MOST - 65_535 + 1), 'FLOW_CONTROL_ERROR'],
    ['RST_STREAM of 3 octets', on(1, 'RST_STREAM', 3), 'FRAME_SIZE_ERROR'],
    ['RST_STREAM of 5 octets', on(1, 'RST_STREAM', 5), 'FRAME_SIZE_ERROR'],
    ['RST_STREAM on stream 0', rst(0), 'PROTOCOL_ERROR'],
    ['RST_STREAM of a stream that was never opened', rst(5), 'PROTOCOL_ERROR'],
    ['PUSH_PROMISE', on(1, 'PUSH_PROMISE', 4), 'PROTOCOL_ERROR'],
    ['PRIORITY on stream 0', priority(0), 'PROTOCOL_ERROR'],
    ['PRIORITY of a stream that depends on itself', priority(5), 'PROTOCOL_ERROR'],
    ['an initial window beyond 2^31-1', settings([SETTING.INITIAL_WINDOW_SIZE, MOST + 1]), 'FLOW_CONTROL_ERROR'],
    ['a largest frame below 16384', settings([SETTING.MAX_FRAME_SIZE, 16_383]), 'PROTOCOL_ERROR'],
    ['a largest frame beyond 24 bits', settings([SETTING.MAX_FRAME_SIZE, 2 ** 24]), 'PROTOCOL_ERROR'],
    ['ENABLE_PUSH of 2', settings([SETTING.ENABLE_PUSH, 2]), 'PROTOCOL_ERROR'],
    ['ENABLE_CONNECT_PROTOCOL of 2', settings([SETTING.ENABLE_CONNECT_PROTOCOL, 2]), 'PROTOCOL_ERROR'],
    [
      'ENABLE_CONNECT_PROTOCOL that is taken back',
      Buffer.concat([settings([SETTING.ENABLE_CONNECT_PROTOCOL, 1]), settings([SETTING.ENABLE_CONNECT_PROTOCOL, 0])]),
      'PROTOCOL_ERROR',
    ],
  ])('%s', (_, octets, error) => ends(octets, error));

  test('ENABLE_PUSH from a server', () => ends(settings([SETTING.ENABLE_PUSH, 1]), 'PROTOCOL_ERROR', { client: true }));

  test.each([
    ['PING', ping()],
    ['an acknowledgement', ackOfSettings],
    ['WINDOW_UPDATE', windowUpdate(0, 1)],
  ])('%s, where SETTINGS must be the first', async (_, octets) => {
    await ends(Buffer.concat([octets, settings()]), 'PROTOCOL_ERROR', { first: null });
  });
});

describe('a frame at its bounds is taken', () => {
  test.each([
    ['WINDOW_UPDATE up to 2^31-1', windowUpdate(0, MOST - 65_535)],
    ['the reserved bit of WINDOW_UPDATE', frame('WINDOW_UPDATE', 0, 0, uint32(0x8000_0001))],
    ['the least largest frame', settings([SETTING.MAX_FRAME_SIZE, 16_384])],
    ['the most largest frame', settings([SETTING.MAX_FRAME_SIZE, 2 ** 24 - 1])],
    ['the largest initial window', settings([SETTING.INITIAL_WINDOW_SIZE, MOST])],
    ['a setting that nobody knows', settings([0xfafa, 0xffff_ffff])],
    ['ENABLE_PUSH of a client', settings([SETTING.ENABLE_PUSH, 1])],
    ['a type that nobody knows', unknown],
    ['PRIORITY, also of streams that do not exist', Buffer.concat([priority(1), priority(9)])],
    ['WINDOW_UPDATE of a stream that is over', Buffer.concat([rst(1), windowUpdate(1, 1)])],
  ])('%s', async (_, octets) => {
    await using under = await startSession();
    under.open();
    under.hears(octets);
    expect((await under.said()).filter((one) => one !== 'SETTINGS ACK 0')).toEqual([]);
    expect(under.session.closing).toBe(false);
  });
});

describe('SETTINGS', () => {
  test('are in force when they are acknowledged', async () => {
    await using under = await startSession();
    under.hears(
      settings(
        [SETTING.MAX_CONCURRENT_STREAMS, 7],
        [SETTING.INITIAL_WINDOW_SIZE, 100],
        [SETTING.ENABLE_CONNECT_PROTOCOL, 1],
        // The last one counts.
        [SETTING.MAX_CONCURRENT_STREAMS, 8],
      ),
    );
    const { session } = under;
    expect([session.peerStreams, session.peerWindow, session.peerConnects]).toEqual([8, 100, true]);
    expect(under.open().sendWindow).toBe(100);
    expect(await under.said()).toEqual(['SETTINGS ACK 0']);
    expect(session.events).toEqual(['settings']);
  });

  test('that say nothing of streams let as many be opened as one likes, which nobody may before', async () => {
    await using under = await startSession({ first: null });
    expect(under.session.peerStreams).toBe(100);
    under.hears(settings());
    expect(under.session.peerStreams).toBe(Number.POSITIVE_INFINITY);
    under.hears(settings([SETTING.MAX_CONCURRENT_STREAMS, 3]), settings());
    expect(under.session.peerStreams).toBe(3);
  });

  test('that take the window of an open stream beyond 2^31-1 end the connection', async () => {
    await using under = await startSession();
    under.open();
    under.hears(windowUpdate(1, 1), settings([SETTING.INITIAL_WINDOW_SIZE, MOST]));
    expect(await under.lastWords()).toEqual(['GOAWAY 0 FLOW_CONTROL_ERROR']);
  });

  test('with a mistake are not acknowledged', async () => {
    await using under = await startSession();
    under.hears(settings([SETTING.ENABLE_PUSH, 2], [SETTING.MAX_CONCURRENT_STREAMS, 3]));
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
    expect([under.session.peerStreams, under.session.events]).toEqual([Number.POSITIVE_INFINITY, []]);
  });

  test('may have as many entries as the limit says, and one more is a flood', async () => {
    const entries = (count: number): Buffer => settings(...new Array(count).fill([SETTING.MAX_CONCURRENT_STREAMS, 3]));
    await using under = await startSession({ limits: { settings: 5 } });
    under.hears(entries(5));
    expect(await under.said()).toEqual(['SETTINGS ACK 0']);
    under.hears(entries(6));
    expect(await under.lastWords()).toEqual(['GOAWAY 0 ENHANCE_YOUR_CALM']);
  });
});

describe('PING', () => {
  test('is answered with its octets', async () => {
    await using under = await startSession();
    under.hears(ping('whatever'));
    expect(await under.said()).toEqual([`PING ACK 0 ${Buffer.from('whatever').toString('hex')}`]);
  });

  test('of ours is known by its mark when it is answered, and the answer is not', async () => {
    await using under = await startSession();
    under.turn(() => under.session.ping(77));
    expect(await under.said()).toEqual(['PING 0 000000000000004d']);
    under.hears(frame('PING', ACK, 0, Buffer.concat([uint32(0), uint32(77)])));
    expect(under.session.events).toEqual(['pong 77']);
    expect(await under.said()).toEqual([]);
  });
});

test('GOAWAY is passed on with the last stream, without its reserved bit, and the error', async () => {
  await using under = await startSession();
  under.hears(goaway(0x8000_0005, 'ENHANCE_YOUR_CALM'));
  expect(under.session.events).toEqual(['goaway 5 11']);
});

describe('a stream', () => {
  test('whose window would be beyond 2^31-1 is reset', async () => {
    await using under = await startSession();
    const stream = under.open();
    under.hears(windowUpdate(1, MOST - 65_535));
    expect(stream.sendWindow).toBe(MOST);
    under.hears(windowUpdate(1, 1));
    expect(await under.said()).toEqual(['RST_STREAM 1 FLOW_CONTROL_ERROR']);
    expect(stream.events.at(-1)).toBe('closed');
  });

  test('whose window is updated by nothing is reset', async () => {
    await using under = await startSession();
    under.open();
    under.hears(windowUpdate(1, 0));
    expect(await under.said()).toEqual(['RST_STREAM 1 PROTOCOL_ERROR']);
  });

  test('of which PRIORITY has the wrong length is reset', async () => {
    await using under = await startSession();
    const stream = under.open();
    under.hears(frame('PRIORITY', 0, 1, Buffer.alloc(4)));
    expect(await under.said()).toEqual(['RST_STREAM 1 FRAME_SIZE_ERROR']);
    expect(stream.events.at(-1)).toBe('closed');
  });

  test('that the other end resets is over, and is not answered', async () => {
    await using under = await startSession();
    const stream = under.open();
    under.hears(rst(1, 'REFUSED_STREAM'));
    expect(stream.events).toEqual(['gone: the stream was reset with REFUSED_STREAM', 'closed']);
    expect(await under.said()).toEqual([]);
  });
});
