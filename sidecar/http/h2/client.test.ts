import { type ManualClock, manualClock } from '../../../lib/clock.ts';
import { connectedEnds } from '../../../test/harness/ends.ts';
import { h2Client, h2Origin } from '../../../test/harness/h2.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  FrameReader,
  frame,
  headers,
  preface,
  request,
  SETTING,
  settings,
  windowUpdate,
} from '../../../test/harness/h2-frames.ts';
import { startTestSidecar } from '../../../test/harness/sidecar.ts';
import { until } from '../../../test/harness/until.ts';
import { defaultLimits } from '../../limits/limits.ts';
import { Loop } from '../../net/loop.ts';
import { nobody, Wire } from '../../net/wire.ts';
import { MuxPool } from '../../upstream/mux-pool.ts';
import { H2Client } from './client.ts';
import type { ClientStream } from './client-stream.ts';
import { CANCEL } from './constants.ts';

const PING_MS = 15_000;
const MINUTE_MS = 60_000;

interface ClientUnderTest extends AsyncDisposable {
  readonly client: H2Client;
  readonly clock: ManualClock;
  hears(...frames: readonly Buffer[]): void;
  turn(fn: () => void): void;
  /** Lets time pass, and the client look at it every second. */
  pass(ms: number): void;
  /** Types of the frames that have been written since the last time. */
  said(): Promise<readonly string[]>;
}

/** A client whose endpoint has said hello. `secure`: that is a sidecar. */
async function startClient(secure = true): Promise<ClientUnderTest> {
  const ends = await connectedEnds();
  const clock = manualClock();
  const loop = new Loop(clock);
  const frames: Frame[] = [];
  const reader = new FrameReader();
  let skip = preface.length;
  ends.far.on('data', (octets: Buffer) => {
    const skipped = Math.min(skip, octets.length);
    skip -= skipped;
    frames.push(...reader.read(octets.subarray(skipped)));
  });
  const spec = { id: 'a', address: '127.0.0.1', port: 1, weight: 1, identity: '', locality: '', version: '' };
  const pool = new MuxPool<ClientStream>(spec, () => Promise.withResolvers<H2Client>().promise, loop);
  const wire = new Wire(ends.near, nobody, loop);
  const stats = { opened() {}, closed() {}, handshake() {}, refused() {} };
  const client = new H2Client(wire, { peer: '', secure }, pool, defaultLimits, stats, 5000);
  const under: ClientUnderTest = {
    client,
    clock,
    hears(...said) {
      const octets = Buffer.concat(said);
      loop.turn(() => client.onOctets(octets, 0, octets.length));
    },
    turn: (fn) => loop.turn(fn),
    pass(ms) {
      for (let left = ms; left > 0; left -= 1000) {
        clock.advance(Math.min(left, 1000));
        if (!wire.closed) loop.turn(() => client.onDeadline(loop.nowMs));
      }
    },
    async said() {
      await until('all of it has come', () => wire.flushed && ends.far.bytesRead === wire.octetsOut);
      return frames.splice(0).map(({ type }) => type);
    },
    async [Symbol.asyncDispose]() {
      await ends[Symbol.asyncDispose]();
      await until('its connection is gone', () => wire.closed);
      loop.close();
    },
  };
  under.hears(settings());
  await client.greeted;
  await under.said();
  return under;
}

const http2 =
  'apiVersion: weft.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80, protocol: http2 }] }\n';
const pong = frame('PING', ACK, 0, Buffer.alloc(8));

describe('whether an endpoint is still there', () => {
  test('is not asked while nothing is under way', async () => {
    await using under = await startClient();
    under.pass(2 * MINUTE_MS);
    expect(await under.said()).toEqual([]);
    const stream = under.client.takeStream()!;
    under.turn(() => stream.cancel());
    expect(await under.said()).toEqual(['RST_STREAM']);
    under.pass(2 * MINUTE_MS);
    expect(await under.said()).toEqual([]);
  });

  test('is asked when it has been silent for a while, counted from the request that it owes an answer', async () => {
    await using under = await startClient();
    under.pass(2 * MINUTE_MS);
    under.client.takeStream();
    under.pass(PING_MS - 1000);
    under.hears(windowUpdate(0, 1));
    under.pass(PING_MS - 1000);
    expect(await under.said()).toEqual([]);
    under.pass(1000);
    expect(await under.said()).toEqual(['PING']);
  });

  test('is settled by whatever it says, and by 10 s of silence', async () => {
    await using under = await startClient();
    under.client.takeStream();
    under.pass(PING_MS + 9000);
    under.hears(windowUpdate(0, 1));
    under.pass(PING_MS + 9000);
    expect([under.client.wire.closed, await under.said()]).toEqual([false, ['PING', 'PING']]);
    under.pass(1000);
    expect(under.client.wire.closed).toBe(true);
  });

  test('is not put off by requests that begin while the answer is awaited', async () => {
    await using under = await startClient();
    const stream = under.client.takeStream()!;
    under.pass(PING_MS + 5000);
    under.turn(() => stream.cancel());
    under.client.takeStream();
    under.pass(5000);
    expect(under.client.wire.closed).toBe(true);
  });

  test('is asked every 15 s of a sidecar that is silent for long', async () => {
    await using under = await startClient();
    under.client.takeStream();
    for (let n = 0; n < 20; n++) {
      under.pass(PING_MS);
      expect(await under.said()).toEqual(['PING']);
      under.hears(pong);
    }
  });

  test('is not asked of an app more often than servers of gRPC bear', async () => {
    await using under = await startClient(false);
    under.client.takeStream();
    under.pass(PING_MS);
    expect(await under.said()).toEqual(['PING']);
    under.hears(pong);
    // They take two within five minutes for an attack, and the streams with it.
    under.pass(5 * MINUTE_MS);
    expect(await under.said()).toEqual([]);
    under.pass(PING_MS);
    expect(await under.said()).toEqual(['PING']);
  });
});

describe('a client that has taken its leave', () => {
  test('says nothing behind its goodbye', async () => {
    await using under = await startClient();
    under.turn(() => under.client.retire());
    expect(await under.said()).toEqual(['GOAWAY']);
    under.hears(frame('PING', 0, 0, Buffer.alloc(8)), settings([SETTING.MAX_CONCURRENT_STREAMS, 5]));
    expect([under.client.wire.pending, await under.said()]).toEqual([0, []]);
  });

  test('ends behind its last stream, and takes no more', async () => {
    await using under = await startClient();
    const stream = under.client.takeStream()!;
    under.turn(() => under.client.retire());
    expect([under.client.takeStream(), await under.said()]).toEqual([undefined, []]);
    under.turn(() => stream.cancel());
    expect(await under.said()).toEqual(['RST_STREAM', 'GOAWAY']);
  });
});

test('content of a response that nobody wants does not reach the next request, whose object it was', async () => {
  await using under = await startClient();
  const stream = under.client.takeStream()!;
  const rest = data(stream.id, 'not wanted', END_STREAM);
  under.hears(rest.subarray(0, 10));
  under.turn(() => stream.reset(CANCEL));
  under.hears(rest.subarray(10, 12));
  const next = under.client.takeStream()!;
  expect(next).toBe(stream);
  under.hears(rest.subarray(12));
  expect([next.remoteClosed, under.client.active, await under.said()]).toEqual([false, 1, ['RST_STREAM']]);
});

test.each(['endpoint', 'caller'])(
  'a tunnel that its %s ends first does not wait for ever for an endpoint that takes nothing',
  async (first) => {
    const clock = manualClock();
    await using origin = await h2Origin(
      async (peer) => {
        const { stream } = await peer.frame('HEADERS');
        await peer.send(headers(stream, [[':status', '200']], END_HEADERS));
      },
      { first: settings([SETTING.ENABLE_CONNECT_PROTOCOL, 1], [SETTING.INITIAL_WINDOW_SIZE, 10]) },
    );
    await using sidecar = await startTestSidecar({
      clock,
      services: { web: [origin.address] },
      yaml: http2,
      limits: { pingMs: Number.POSITIVE_INFINITY, idleMs: 1000 },
    });
    await using caller = await h2Client(sidecar.outbound);
    await caller.send(headers(1, request({ ':method': 'CONNECT', ':protocol': 'websocket' }), END_HEADERS));
    await caller.frame('HEADERS', 1);
    const endpoint = origin.peers[0]!;
    const endpointEnds = (): Promise<void> => endpoint.send(data(1, '', END_STREAM));
    if (first === 'endpoint') {
      await endpointEnds();
      await caller.frame('DATA', 1);
    }
    await caller.send(data(1, 'more than the window lets pass', END_STREAM));
    await endpoint.frame('DATA', 1);
    if (first === 'caller') await endpointEnds();
    await until('the exchange is over', () => sidecar.records.length === 1);
    /** Lets time pass, and the sidecar look at all that it watches: also at a caller who says nothing, and is sent away. */
    const pass = async (ms: number): Promise<void> => {
      await using idle = await h2Client(sidecar.outbound);
      clock.advance(ms);
      await idle.frame('GOAWAY');
    };
    // As long as something moves, it may go on.
    for (let moved = 1; moved < 4; moved++) {
      await endpoint.send(windowUpdate(1, 5));
      await endpoint.until('it moves', (frames) => frames.filter(({ type }) => type === 'DATA')[moved]);
      await pass(MINUTE_MS / 2);
      await pass(MINUTE_MS / 2 - 1);
      expect(endpoint.frames.filter(({ type }) => type === 'RST_STREAM')).toEqual([]);
    }
    await until('it is given up', () => {
      clock.advance(1000);
      return endpoint.frames.some(({ type }) => type === 'RST_STREAM');
    });
    expect(await endpoint.reset(1)).toBe('CANCEL');
  },
);
