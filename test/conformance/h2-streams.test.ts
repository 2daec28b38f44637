// Streams that stay: slow readers, silent callers, tunnels.
import { manualClock } from '../../lib/clock.ts';
import { type H2Peer, h2Client, refusal } from '../harness/h2.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  request,
  SETTING,
  settings,
  windowUpdate,
} from '../harness/h2-frames.ts';
import { grown, MB } from '../harness/memory.ts';
import { http1Origin, type RawPeer, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const STREAMS = 100;
const ids = Array.from({ length: STREAMS }, (_, n) => 2 * n + 1);

/** Writes without end, as far as it is let. */
async function endless(peer: RawPeer): Promise<void> {
  await peer.head();
  peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
  while (!peer.octets.closed)
    if (!peer.socket.write(chunk))
      await new Promise((resolve) => peer.socket.once('drain', resolve).once('close', resolve));
}

const received = (peer: H2Peer): number =>
  peer.frames.reduce((sum, { type, payload }) => sum + (type === 'DATA' ? payload.length : 0), 0);

test('callers who take one octet at a time keep no more waiting than the watermarks say, and silent ones are left', async () => {
  const clock = manualClock();
  await using origin = await rawOrigin(endless);
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
  await using peer = await h2Client(sidecar.outbound, { first: settings([SETTING.INITIAL_WINDOW_SIZE, 1]) });
  const held = await grown(async () => {
    for (const id of ids) await peer.send(headers(id, request()));
    await until('every stream has its octet', () => received(peer) === STREAMS);
    for (let round = 2; round <= 4; round++) {
      await peer.send(...ids.map((id) => windowUpdate(id, 1)));
      await until('every stream has one more', () => received(peer) === STREAMS * round);
    }
  });
  expect(held).toBeLessThan(STREAMS * 0.25 * MB);
  await until('nothing moves', () => sidecar.underWay === STREAMS);
  clock.advance(301_000);
  await until('all have been ended', () => sidecar.underWay === 0);
});

test('requests whose bodies do not come are ended one by one, and the connection serves others', async () => {
  const clock = manualClock();
  await using origin = await http1Origin({ '/': 'hello', '/silent': () => undefined });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
  await using peer = await h2Client(sidecar.outbound);
  const slow = request({ ':method': 'POST', ':path': '/silent' }, ['content-length', '100']);
  for (const id of ids.slice(1)) await peer.send(headers(id, slow, END_HEADERS));
  await until('the service has them all', () => origin.requests.length === STREAMS - 1);
  clock.advance(10_000);
  for (const id of ids.slice(1)) expect(await refusal(peer, id)).toBe('408');
  await until('all have been ended', () => sidecar.underWay === 0);
  await peer.send(headers(201, request()));
  expect((await peer.message(201)).body).toBe('hello');
});

describe('extended CONNECT (RFC 8441)', () => {
  const connect = request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' }, [
    'sec-websocket-version',
    '13',
  ]);
  const tunnel = async (sidecar: TestSidecar): Promise<H2Peer> => {
    const peer = await h2Client(sidecar.outbound);
    const { payload } = peer.frames[0]!;
    const said = Array.from({ length: payload.length / 6 }, (_, n) => payload.readUInt16BE(6 * n));
    expect(said).toContain(SETTING.ENABLE_CONNECT_PROTOCOL);
    return peer;
  };

  test('what is sent before the service has agreed waits until it has', async () => {
    const { promise: agreed, resolve: agree } = Promise.withResolvers<void>();
    let early: string | undefined;
    await using origin = await rawOrigin(async (peer) => {
      const head = await peer.head();
      const key = /^sec-websocket-key: (.+)\r$/im.exec(head)![1]!;
      await agreed;
      early = peer.octets.text;
      peer.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${await acceptOf(key)}\r\n\r\n`,
      );
      await peer.octets.until('what was sent', (text) => (text === 'early' ? true : undefined));
      peer.write('late');
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using peer = await tunnel(sidecar);
    await peer.send(headers(1, connect, END_HEADERS), data(1, 'early'));
    await until('the request has come', () => origin.peers.length === 1 && sidecar.underWay === 1);
    agree();
    expect(await refusal(peer, 1)).toBe('200');
    await peer.until('the answer', () => (received(peer) === 4 ? true : undefined));
    expect(early).toBe('');
  });

  test('what is sent to a service that does not agree never reaches it', async () => {
    let octets = '';
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      peer.socket.on('data', (chunk: string) => {
        octets += chunk;
      });
      peer.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using peer = await tunnel(sidecar);
    await peer.send(headers(1, connect, END_HEADERS), data(1, 'GET /admin HTTP/1.1\r\nHost: web\r\n\r\n', END_STREAM));
    expect(await refusal(peer, 1)).toBe('403');
    await until('the exchange is over', () => sidecar.underWay === 0);
    expect(octets).toBe('');
  });

  test('another protocol than those that are allowed is refused', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using peer = await tunnel(sidecar);
    await peer.send(headers(1, request({ ':method': 'CONNECT', ':protocol': 'connect-ip' }), END_HEADERS));
    expect(await refusal(peer, 1)).toMatch(/^(?:400|405|501|RST PROTOCOL_ERROR)$/);
    expect(origin.requests).toHaveLength(0);
  });
});

/** RFC 6455 section 4.2.2. */
async function acceptOf(key: string): Promise<string> {
  const octets = new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return Buffer.from(await crypto.subtle.digest('SHA-1', octets)).toString('base64');
}
