import { once } from 'node:events';
import { type ClientHttp2Stream, connect, constants } from 'node:http2';
import { formatAddress } from '../../lib/address.ts';
import { manualClock } from '../../lib/clock.ts';
import { overloadText } from '../../sidecar/limits/overload.ts';
import type { Reading } from '../../sidecar/limits/readings.ts';
import { requestText } from '../harness/client.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const MB = 1024 * 1024;

/** Readings that a test sets; they are looked at when it moves the clock. */
function given() {
  const clock = manualClock();
  let reading: Reading = { memory: 0, lateMs: 0 };
  return {
    clock,
    readings: () => reading,
    become(next: Partial<Reading>, forMs = 100): void {
      reading = { memory: 0, lateMs: 0, ...next };
      clock.advance(forMs);
    },
  };
}

test('short of memory, first a connection ends behind its answer, and those that rest end by themselves', async () => {
  const { clock, readings, become } = given();
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock, readings });
  await using busy = await sidecar.client();
  await using resting = await sidecar.client();
  for (const client of [busy, resting]) {
    await client.send(requestText());
    expect((await client.response()).get('connection')).toBeUndefined();
  }
  become({ memory: 0.93 });
  await busy.send(requestText());
  const answer = await busy.response();
  expect([answer.status, answer.get('connection')]).toEqual([200, 'close']);
  await busy.over();
  expect(resting.octets.closed).toBe(false);
  become({ memory: 0.93 }, 600);
  await resting.over();
  expect(sidecar.log.at(-1)).toContain('connections end behind their answers');
});

test.each([
  // Connections that rest are closed half a second later.
  ['OVERLOAD_MEMORY', { memory: 0.96 }, 100],
  ['OVERLOAD_DELAY', { lateMs: 400 }, 1100],
] as const)('%s: new requests are refused, and what is under way is finished', async (code, reading, forMs) => {
  const { clock, readings, become } = given();
  let answer = (): void => {};
  await using origin = await http1Origin((_, res) => {
    answer = () => void res.end('hello');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock, readings });
  await using underWay = await sidecar.client();
  await using client = await sidecar.client();
  await until('both are there', () => sidecar.dataPlane.outbound.connections === 2);
  await underWay.send(requestText());
  await until('one is under way', () => origin.requests.length === 1);
  become(reading, forMs);

  await client.send(requestText({ method: 'POST', body: 'x'.repeat(1000) }));
  const refused = await client.response();
  expect([refused.status, refused.get('weft-error'), refused.get('retry-after'), refused.get('connection')]).toEqual([
    503,
    code,
    '1',
    'close',
  ]);
  answer();
  expect((await underWay.response()).body).toBe('hello');
  expect(origin.requests).toHaveLength(1);
  expect(sidecar.records.map((record) => record.code)).toEqual([code, '']);

  become({}, 2500);
  const again = sidecar.send();
  await until('it is carried', () => origin.requests.length === 2);
  answer();
  expect((await again).status).toBe(200);
});

test('at the end of memory what holds most of it is given up, and the rest lives', async () => {
  const { clock, readings, become } = given();
  await using origin = await rawOrigin(async (peer) => {
    const head = await peer.head();
    const endless = head.startsWith('GET /large');
    peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${endless ? 64 * MB : 10}\r\n\r\nhello`);
    const block = 'x'.repeat(MB);
    for (let i = 0; endless && i < 63; i++) peer.write(block);
    await peer.octets.until('the end', (_, over) => over || go || undefined);
    if (!endless) peer.write('world');
  });
  let go = false;
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock, readings });
  await using large = await sidecar.client();
  await using small = await sidecar.client();
  large.socket.pause();
  await large.send(requestText({ target: '/large' }));
  await small.send(requestText({ target: '/small' }));
  await small.octets.until('its first octets', (text) => text.endsWith('hello') || undefined);
  let before = -1;
  await until('the large one is stuck', () => {
    const now = large.socket.bytesRead + origin.peers[0]!.socket.bytesWritten;
    const stuck = now === before;
    before = now;
    return stuck;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));

  become({ memory: 0.99 });
  expect(sidecar.records.map((record) => record.code)).toEqual(['OVERLOAD_SHED']);
  expect(sidecar.underWay).toBe(1);
  large.socket.resume();
  await large.over();
  become({}, 5000);
  go = true;
  origin.peers[1]!.socket.emit('data', '');
  expect((await small.response()).body).toBe('helloworld');
});

/** A caller that speaks HTTP/2, and whether it has been told to open no more streams. */
async function http2Caller(sidecar: TestSidecar) {
  const session = connect(`http://${formatAddress(sidecar.outbound)}`);
  let toldToLeave = false;
  session.on('goaway', () => {
    toldToLeave = true;
  });
  session.on('error', () => session.destroy());
  await once(session, 'connect');
  return {
    get toldToLeave() {
      return toldToLeave;
    },
    request(path: string): ClientHttp2Stream {
      const stream = session.request({ ':path': path, ':authority': 'web' });
      stream.on('error', () => stream.destroy());
      return stream;
    },
    [Symbol.dispose]: () => session.destroy(),
  };
}

test('HTTP/2: short of memory callers are told to leave, new requests are refused, and what is under way is finished', async () => {
  const { clock, readings, become } = given();
  let answer = (): void => {};
  await using origin = await http1Origin((_, res) => {
    answer = () => void res.end('hello');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock, readings });
  using caller = await http2Caller(sidecar);
  using late = await http2Caller(sidecar);
  const underWay = caller.request('/');
  await until('one is under way', () => origin.requests.length === 1);
  become({ lateMs: 400 }, 1100);
  const [headers] = await once(late.request('/'), 'response');
  expect([headers[':status'], headers['weft-error'], headers['retry-after']]).toEqual([503, 'OVERLOAD_DELAY', '1']);
  expect([caller.toldToLeave, late.toldToLeave]).toEqual([false, false]);
  become({ memory: 0.93 });
  await until('both are told', () => caller.toldToLeave && late.toldToLeave);
  answer();
  const [answered] = await once(underWay, 'response');
  expect(answered[':status']).toBe(200);
});

test('HTTP/2: at the end of memory one stream is given up, not its connection', async () => {
  const { clock, readings, become } = given();
  await using origin = await http1Origin({
    '/large': (_, res) => void res.end('x'.repeat(8 * MB)),
    '/small': (_, res) => void res.write('hello'),
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock, readings });
  using caller = await http2Caller(sidecar);
  const large = caller.request('/large');
  await once(large, 'response');
  const small = caller.request('/small');
  await once(small, 'data');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const over = new Promise((resolve) => large.on('close', resolve));
  become({ memory: 0.99 });
  expect(sidecar.records.map((record) => record.code)).toEqual(['OVERLOAD_SHED']);
  large.resume();
  await over;
  expect([large.rstCode, small.closed]).toEqual([constants.NGHTTP2_INTERNAL_ERROR, false]);
});

test('each rung can be said in words', () => {
  expect([1, 2, 3].map(overloadText)).toEqual([
    'overloaded, so connections end behind their answers',
    'overloaded, so new requests and connections are refused',
    'overloaded, so new requests and connections are refused, and what holds most memory is reset',
  ]);
});
