// Answers and requests that take their time: events one by one, requests that are held, bodies that come in pieces.
import { manualClock } from '../../lib/clock.ts';
import { requestText } from '../harness/client.ts';
import { type RawPeer, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecarOptions } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

/** A service that takes one request on each connection and leaves the answer to the test. */
async function asked(request: string, options: TestSidecarOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const { promise: first, resolve } = Promise.withResolvers<RawPeer>();
  const origin = stack.use(
    await rawOrigin(async (peer) => {
      await peer.head();
      resolve(peer);
    }),
  );
  const sidecar = stack.use(await startTestSidecar({ services: { web: [origin.address] }, ...options }));
  const client = stack.use(await sidecar.client());
  await client.send(request);
  const peer = await first;
  const owned = stack.move();
  return { peer, sidecar, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const events = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const seen = ({ octets }: Pick<RawPeer, 'octets'>, text: string): Promise<true> =>
  octets.until(JSON.stringify(text), (all) => all.endsWith(text) || undefined);
const policy = (spec: string): string =>
  `apiVersion: weft.dev/v1\nkind: TimeoutPolicy\nmetadata: { name: web }\nspec: { targetRefs: [{ kind: Service, name: web }], ${spec} }\n`;

describe('events', () => {
  test.each([
    ['in chunks', 'transfer-encoding: chunked\r\n\r\n', chunk, chunk],
    ['until the connection ends', '\r\n', (text: string) => text, chunk],
    ['of a length that is known', 'content-length: 1000\r\n\r\n', (text: string) => text, (text: string) => text],
  ])('reach the caller one by one, %s', async (_, framing, said, heard) => {
    await using one = await asked(requestText({ fields: ['Accept: text/event-stream', 'Last-Event-ID: 7'] }));
    // The head alone is worth passing on: a browser takes it for the open stream.
    one.peer.write(events + framing);
    await one.client.octets.until('the head', (text) => text.endsWith('\r\n\r\n') || undefined);
    for (const event of ['data: 1\n\n', ': still there\n\n', 'id: 8\ndata: 2\n\n']) {
      one.peer.write(said(event));
      await seen(one.client, heard(event));
    }
    expect(one.sidecar.records).toEqual([]);
  });

  test('that come in pieces are not held until they are whole', async () => {
    await using one = await asked(requestText());
    one.peer.write(`${events}transfer-encoding: chunked\r\n\r\n10\r\n`);
    for (const octet of 'data: 1') {
      one.peer.write(octet);
      await seen(one.client, chunk(octet));
    }
  });

  test('come to a caller of HTTP/1.0 without chunks, and end with the connection', async () => {
    await using one = await asked('GET / HTTP/1.0\r\nHost: web\r\n\r\n');
    one.peer.write(`${events}transfer-encoding: chunked\r\n\r\n`);
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      one.peer.write(chunk(event));
      await seen(one.client, event);
    }
    one.peer.write('0\r\n\r\n');
    expect(await one.client.response()).toMatchObject({ body: 'data: 1\n\ndata: 2\n\n', complete: true });
  });

  test('may be as far apart as the idle time allows, however short the time of a request is', async () => {
    const clock = manualClock();
    await using one = await asked(requestText(), { clock, yaml: policy('request: 2s, attempt: 2s, idle: 90s') });
    one.peer.write(`${events}transfer-encoding: chunked\r\n\r\n`);
    await one.client.octets.until('the head', (text) => text.endsWith('\r\n\r\n') || undefined);
    for (let i = 0; i < 5; i++) {
      clock.advance(89_000);
      one.peer.write(chunk(`data: ${i}\n\n`));
      await seen(one.client, chunk(`data: ${i}\n\n`));
    }
    clock.advance(90_001);
    await one.client.over();
    // Broken off: the caller can tell that this was not the end of the stream.
    expect(one.client.octets.text).not.toMatch(/0\r\n\r\n$/);
    await until('it has ended', () => one.sidecar.records.length === 1);
    expect(one.sidecar.records[0]).toMatchObject({ status: 200, code: 'STREAM_IDLE' });
    await one.peer.octets.until('the end', (_, over) => over || undefined);
  });

  test('end at the service when their caller leaves', async () => {
    await using one = await asked(requestText());
    one.peer.write(`${events}transfer-encoding: chunked\r\n\r\n${chunk('data: 1\n\n')}`);
    await seen(one.client, chunk('data: 1\n\n'));
    one.client.reset();
    await one.peer.octets.until('the end', (_, over) => over || undefined);
    await until('it has ended', () => one.sidecar.records.length === 1);
    expect(one.sidecar.records[0]).toMatchObject({ status: 200, code: 'DOWNSTREAM_GONE' });
  });
});

describe('a request that the service holds', () => {
  test('is answered when there is something to say, and the connection goes on', async () => {
    const clock = manualClock();
    await using one = await asked(requestText({ target: '/poll?since=7' }), {
      clock,
      yaml: policy('request: 60s, attempt: 60s'),
    });
    clock.advance(55_000);
    one.peer.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnews');
    const answer = await one.client.response();
    expect([answer.body, answer.get('connection')]).toEqual(['news', undefined]);
    await one.client.send(requestText({ target: '/poll?since=8' }));
    await one.peer.head();
    one.peer.write('HTTP/1.1 204 No Content\r\n\r\n');
    expect((await one.client.response()).status).toBe(204);
  });

  test('is answered for it when the time of a request is over', async () => {
    const clock = manualClock();
    await using one = await asked(requestText(), { clock, yaml: policy('request: 60s, attempt: 60s') });
    clock.advance(60_001);
    expect((await one.client.response()).status).toBe(504);
    await one.peer.octets.until('the end', (_, over) => over || undefined);
  });

  test('is let go when its caller leaves', async () => {
    await using one = await asked(requestText());
    one.client.reset();
    await one.peer.octets.until('the end', (_, over) => over || undefined);
    await until('it has ended', () => one.sidecar.records.length === 1);
    expect(one.sidecar.records[0]!.code).toBe('DOWNSTREAM_GONE');
  });
});

test('the body of a request reaches the service as it comes, and its answer may come first', async () => {
  await using one = await asked(requestText({ method: 'POST', fields: ['Transfer-Encoding: chunked'] }));
  for (const piece of ['one', 'two', 'three']) {
    await one.client.send(chunk(piece));
    await seen(one.peer, chunk(piece));
  }
  one.peer.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  for (const piece of ['four', 'five']) {
    await one.client.send(chunk(piece));
    await seen(one.peer, chunk(piece));
    one.peer.write(chunk(piece.toUpperCase()));
    await seen(one.client, chunk(piece.toUpperCase()));
  }
  await one.client.send('0\r\n\r\n');
  await seen(one.peer, '0\r\n\r\n');
  one.peer.write('0\r\n\r\n');
  expect(await one.client.response()).toMatchObject({ status: 200, body: 'FOURFIVE', complete: true });
});
