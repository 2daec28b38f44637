// What cheap frames may cost: every flood ends with its connection, within bounds, and nobody else notices. Over plain
// text as an app does it, and over mutual TLS as another sidecar could.

import { flood, type H2Peer, h2Client, refusal } from '../harness/h2.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  type H2Error,
  headers,
  none,
  request,
  rst,
  SETTING,
  settings,
  windowUpdate,
} from '../harness/h2-frames.ts';
import { literals } from '../harness/hpack.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { grown, MB } from '../harness/memory.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

/** On one connection. */
const STREAMS = 100;
let mesh: Identities;
let origin: Origin;
let sidecar: TestSidecar;
beforeAll(async () => {
  mesh = await makeIdentities();
  origin = await http1Origin({
    '/': 'hello',
    '/silent': () => undefined,
    '/posted': (req, res) => void req.on('end', () => res.end('hello')),
  });
  sidecar = await startTestSidecar({
    services: { web: [origin.address] },
    app: origin.address,
    limits: { streams: STREAMS },
    mtls: 'strict',
    credentials: await mesh.live('web'),
  });
});
afterAll(async () => {
  await sidecar[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface Way {
  readonly scheme: 'http' | 'https';
  readonly open: (first?: Buffer) => Promise<H2Peer>;
}
const ways: Readonly<Record<string, Way>> = {
  'plain text': { scheme: 'http', open: (first) => h2Client(sidecar.outbound, { first }) },
  'mutual TLS': {
    scheme: 'https',
    open: async (first) => h2Client(sidecar.inbound, { tls: await mesh.client('shop'), first }),
  },
};

/** The sidecar lives, others are served, and nothing of what happened before is left. */
async function unharmed({ open, scheme }: Way): Promise<void> {
  await until('no exchange is under way', () => sidecar.underWay === 0);
  await using other = await open();
  await other.send(headers(1, request({ ':scheme': scheme })));
  expect((await other.message(1)).body).toBe('hello');
  expect((await sidecar.send()).body).toBe('hello');
}

/** The n-th stream of a client. */
const id = (n: number): number => 2 * n + 1;
const times = (count: number, make: (n: number) => readonly Buffer[]): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => make(n)).flat());
/** Requests that are not answered before they are complete, or at all. */
const asking = (scheme: string) => ({
  get: (n: number): Buffer => headers(id(n), request({ ':scheme': scheme, ':path': '/silent' })),
  post: (n: number): Buffer =>
    headers(id(n), request({ ':scheme': scheme, ':method': 'POST', ':path': '/silent' }), END_HEADERS),
});

interface Flood {
  /** Sent before it. */
  readonly first?: Buffer;
  readonly batches: number;
  readonly batch: (index: number) => Buffer;
  /** The error with which the connection is ended. */
  readonly error?: H2Error;
  /** The client does not read what it provokes. */
  readonly deaf?: true;
}
const BATCH = 50;
function floodsOf(scheme: string): Readonly<Record<string, Flood>> {
  const { get, post } = asking(scheme);
  return {
    'streams that their opener resets at once': {
      batches: 60,
      batch: (index) => times(BATCH, (n) => [get(index * BATCH + n), rst(id(index * BATCH + n))]),
    },
    'streams that their opener makes us reset, with a window update of nothing': {
      batches: 60,
      batch: (index) => times(BATCH, (n) => [post(index * BATCH + n), windowUpdate(id(index * BATCH + n), 0)]),
    },
    'streams that their opener makes us reset, with data behind the end': {
      batches: 60,
      batch: (index) => times(BATCH, (n) => [get(index * BATCH + n), data(id(index * BATCH + n), 'x')]),
      error: 'STREAM_CLOSED',
    },
    'malformed requests, by a caller who does not read our resets': {
      batches: 200,
      batch: (index) =>
        times(BATCH, (n) => [headers(id(index * BATCH + n), request({ ':scheme': scheme }, ['Upper', 'case']))]),
      deaf: true,
    },
    'CONTINUATION frames without an end': {
      first: headers(1, request({ ':scheme': scheme }), END_STREAM),
      batches: 64,
      batch: () => frame('CONTINUATION', 0, 1, literals([['a', 'x'.repeat(16_000)]])),
    },
    'CONTINUATION frames without content': {
      first: headers(1, request({ ':scheme': scheme }), END_STREAM),
      batches: 10,
      batch: () => frame('CONTINUATION', 0, 1),
    },
    'DATA frames without content': {
      first: post(0),
      batches: 60,
      batch: () => times(BATCH, () => [data(1, '')]),
    },
    'DATA frames with nothing but padding': {
      first: post(0),
      batches: 60,
      batch: () => times(BATCH, () => [frame('DATA', 8, 1, Buffer.from([3, 0, 0, 0]))]),
    },
    'HEADERS frames without content': {
      batches: 10,
      batch: (index) => times(BATCH, (n) => [frame('HEADERS', END_STREAM, id(index * BATCH + n))]),
      error: 'PROTOCOL_ERROR',
    },
    PING: { batches: 400, batch: () => times(BATCH, () => [frame('PING', 0, 0, Buffer.alloc(8))]) },
    'PING, by a caller who does not read our answers': {
      batches: 400,
      batch: () => times(BATCH, () => [frame('PING', 0, 0, Buffer.alloc(8))]),
      deaf: true,
    },
    'acknowledged PING that nobody sent': {
      batches: 400,
      batch: () => times(BATCH, () => [frame('PING', 1, 0, Buffer.alloc(8))]),
    },
    SETTINGS: { batches: 400, batch: () => times(BATCH, () => [settings()]) },
    'SETTINGS, by a caller who does not read our answers': {
      batches: 400,
      batch: () => times(BATCH, () => [settings()]),
      deaf: true,
    },
    'SETTINGS with thousands of entries': {
      batches: 100,
      batch: () => settings(...Array.from({ length: 2730 }, () => [SETTING.INITIAL_WINDOW_SIZE, 65_535] as const)),
    },
    'PRIORITY frames': {
      batches: 400,
      batch: () => times(BATCH, (n) => [frame('PRIORITY', 0, id(n), Buffer.from([0, 0, 0, 0, 16]))]),
    },
    'frames of types that nobody knows': {
      batches: 400,
      batch: () => times(BATCH, () => [frame('ORIGIN', 0, 0)]),
    },
    'window updates that no data of ours asked for': {
      batches: 400,
      batch: () => times(BATCH, () => [windowUpdate(0, 1)]),
    },
    'window updates for a stream that no data of ours asked for': {
      first: get(0),
      batches: 400,
      batch: () => times(BATCH, () => [windowUpdate(1, 1)]),
    },
  };
}

describe.each(Object.entries(ways))('over %s', (_, way) => {
  const { open, scheme } = way;
  const { get, post } = asking(scheme);

  test.each(Object.entries(floodsOf(scheme)))(
    'a flood of %s',
    async (__, { first = none, batches, batch, error, deaf }) => {
      await using peer = await open();
      const held = await grown(async () => {
        await peer.send(first);
        if (deaf) peer.socket.pause();
        await flood(peer, batches, batch);
      });
      // A caller who does not read may lose our last word together with the rest.
      if (!deaf) expect([error ?? 'ENHANCE_YOUR_CALM', 'ENHANCE_YOUR_CALM']).toContain(await peer.goaway());
      expect(held).toBeLessThan(16 * MB);
      await unharmed(way);
    },
  );

  test('more streams at once than were offered: those beyond are refused, the others are served', async () => {
    await using peer = await open();
    const offered = await peer.until('its limit', ([frames]) => limitOf(frames!.payload));
    expect(offered).toBe(STREAMS);
    for (let n = 0; n < offered; n++)
      await peer.send(
        headers(id(n), request({ ':scheme': scheme, ':method': 'POST', ':path': '/posted' }), END_HEADERS),
      );
    await peer.send(headers(id(offered), request({ ':scheme': scheme })));
    expect(await peer.reset(id(offered))).toBe('REFUSED_STREAM');
    for (let n = 0; n < offered; n++) await peer.send(data(id(n), 'x', END_STREAM));
    for (let n = 0; n < offered; n++) expect((await peer.message(id(n))).body).toBe('hello');
    await unharmed(way);
  });

  test('of streams that are reset at once, no more requests reach the service than may be open', async () => {
    const before = origin.requests.length;
    await using peer = await open();
    let most = 0;
    const count = (): void => {
      const open = origin.requests.slice(before).filter(({ aborted, complete }) => !aborted && !complete);
      most = Math.max(most, open.length);
    };
    await flood(peer, 60, (index) => {
      count();
      return times(BATCH, (n) => [post(index * BATCH + n), rst(id(index * BATCH + n))]);
    });
    count();
    expect(most).toBeLessThanOrEqual(STREAMS);
    await until('all are broken off', () => origin.requests.slice(before).every(({ aborted }) => aborted));
    await unharmed(way);
  });

  test.each([
    ['of the connection', 0],
    ['of a stream', 1],
  ])('a window %s beyond its largest size', async (__, stream) => {
    await using peer = await open();
    await peer.send(get(0), windowUpdate(stream, 0x7fffffff), windowUpdate(stream, 0x7fffffff));
    if (stream === 0) expect(await peer.goaway()).toBe('FLOW_CONTROL_ERROR');
    else expect(await refusal(peer, 1)).toBe('RST FLOW_CONTROL_ERROR');
    await peer[Symbol.asyncDispose]();
    await unharmed(way);
  });

  test('who goes on after our GOAWAY finds the connection closed before long, and is not listened to', async () => {
    await using peer = await open();
    await peer.send(windowUpdate(0, 0));
    const held = await grown(() => flood(peer, 2000, () => data(1, Buffer.alloc(16_384))));
    expect(await peer.goaway()).toBe('PROTOCOL_ERROR');
    expect(held).toBeLessThan(16 * MB);
    await unharmed(way);
  });

  test('a connection that breaks off behind something malformed, many times', async () => {
    for (let i = 0; i < 20; i++) {
      await using peer = await open();
      await peer.send(headers(1, [['Bad', 'x\0']]), headers(2, request()), get(2).subarray(0, 12));
      peer.socket.destroy();
    }
    await unharmed(way);
  });
});

const limitOf = (payload: Buffer): number | undefined => {
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === SETTING.MAX_CONCURRENT_STREAMS) return payload.readUInt32BE(at + 2);
  return undefined;
};
