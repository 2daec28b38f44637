import { data, END_STREAM, frame, rst, settings, windowUpdate } from '../../../test/harness/h2-frames.ts';
import { startSession } from '../../../test/harness/h2-session.ts';
import { until } from '../../../test/harness/until.ts';

const PROTOCOL_ERROR = 1;
const ping = frame('PING', 0, 0, Buffer.from('8 octets'));

describe('a connection that fails', () => {
  test('says why, ends its streams, and ends', async () => {
    await using under = await startSession();
    const streams = [under.open(), under.open()];
    under.turn(() => under.session.fail(PROTOCOL_ERROR, 'because'));
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
    for (const { events } of streams) expect(events).toEqual(['gone: because', 'closed']);
    expect([under.session.closing, under.session.streams.size]).toEqual([true, 0]);
  });

  test('says so once, and nothing behind it, whatever comes and whoever goes on', async () => {
    await using under = await startSession();
    const [stream, other] = [under.open(), under.open()];
    other.pause();
    under.hears(data(3, 'held'));
    under.turn(() => {
      under.session.fail(PROTOCOL_ERROR, 'because');
      under.session.fail(PROTOCOL_ERROR, 'once more');
      stream.sendData(Buffer.from('x'), 0, 1);
      stream.sendLast(undefined);
      stream.reset(8);
      other.resume();
    });
    under.hears(ping, settings(), windowUpdate(0, 5), data(1, 'x', END_STREAM), rst(1));
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
    expect(under.session.wire.octetsOut).toBe(under.far.bytesRead);
  });

  test('in the midst of what came hears nothing of the rest', async () => {
    await using under = await startSession();
    const stream = under.open();
    stream.taking = () => under.session.fail(PROTOCOL_ERROR, 'because');
    under.hears(data(1, 'one'), data(1, 'two'), ping);
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
    expect(stream.received).toBe('one');
  });
});

test('a connection that the other end closes takes its streams with it', async () => {
  await using under = await startSession();
  const stream = under.open();
  under.far.end();
  await until('it is gone', () => under.session.events.includes('gone'));
  expect(stream.events).toEqual(['gone: the connection was closed', 'closed']);
});

test('a connection that breaks tells its streams why', async () => {
  await using under = await startSession();
  const stream = under.open();
  under.far.resetAndDestroy();
  await until('it is gone', () => under.session.events.includes('gone'));
  expect(stream.events).toEqual([expect.stringContaining('ECONNRESET'), 'closed']);
});

test('frames of streams that we have reset are ignored, of the last 1024 of them', async () => {
  await using under = await startSession();
  const streams = Array.from({ length: 1025 }, () => under.open());
  under.turn(() => {
    for (const stream of streams) stream.reset(8);
  });
  expect([under.session.wasReset(1), under.session.wasReset(3)]).toEqual([false, true]);
  await under.said();
  under.hears(data(3, 'x'));
  expect(await under.said()).toEqual([]);
  under.hears(data(1, 'x'));
  expect(await under.lastWords()).toEqual(['GOAWAY 0 STREAM_CLOSED']);
});

describe('a stream', () => {
  test('that is reset says so once, and tells its owner first', async () => {
    await using under = await startSession();
    const stream = under.open();
    under.turn(() => {
      stream.reset(8);
      stream.reset(8);
    });
    expect(await under.said()).toEqual(['RST_STREAM 1 CANCEL']);
    expect(stream.events).toEqual([expect.stringMatching(/^gone/), 'closed']);
    expect(under.session.events).toEqual(['closed 1']);
  });

  test('is over when both ends have said all, in either order', async () => {
    await using under = await startSession();
    const [one, other] = [under.open(), under.open()];
    under.turn(() => one.sendLast(undefined));
    under.hears(data(1, 'x', END_STREAM), data(3, 'x', END_STREAM));
    under.turn(() => other.sendLast(undefined));
    expect([one.events, other.events]).toEqual([
      ['sent all', 'end', 'closed'],
      ['end', 'closed'],
    ]);
    expect(under.session.events).toEqual(['closed 1', 'closed 3']);
  });
});

test('whoever asks and does not read is not listened to meanwhile, and then again', async () => {
  await using under = await startSession({ limits: { controlBurst: 1_000_000, controlWaiting: 1_000_000 } });
  under.far.pause();
  const { wire } = under.session;
  // As much as the kernel takes, and what is more than is kept.
  for (let n = 0; !wire.paused; n++) {
    if (n > 2000) throw new Error('it listens for ever');
    under.hears(Buffer.concat(new Array(1000).fill(ping)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(wire.pending).toBeGreaterThan(1024 * 1024);
  under.far.resume();
  await until('it listens again', () => !wire.paused);
  expect(under.session.closing).toBe(false);
});
