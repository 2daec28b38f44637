import { manualClock } from '../../lib/clock.ts';
import { rawClient, requestText } from '../harness/client.ts';
import { makeIdentities } from '../harness/identities.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const get = (target: string, ...fields: string[]): string => requestText({ target, fields });
/** Resolves when `count` has stayed the same for a while: for what must not happen. */
async function settled(count: () => number): Promise<number> {
  for (let before = -1; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    if (count() === before) return before;
    before = count();
  }
}

test('a caller who pipelines and never reads is not answered without end', async () => {
  const block = 'x'.repeat(30 * 1024);
  await using origin = await http1Origin(block);
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  client.socket.pause();
  const total = 1000;
  await client.send(get('/').repeat(total));
  // What the buffers of the kernel take may be answered; not the 30 MB that were asked for.
  expect(await settled(() => origin.requests.length)).toBeLessThan(total / 2);
  client.socket.resume();
  for (let i = 0; i < total; i++) expect((await client.response()).body).toHaveLength(block.length);
});

test('a caller who asks again and again and never reads is not answered without end', async () => {
  await using origin = await http1Origin('x'.repeat(30 * 1024));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  client.socket.pause();
  const total = 600;
  for (let sent = 1; sent <= total; sent++) {
    await client.send(get('/'));
    const answered = Promise.withResolvers<boolean>();
    const late = setTimeout(() => answered.resolve(false), 300);
    void until('the answer is written', () => sidecar.records.length >= sent).then(
      () => answered.resolve(true),
      () => {},
    );
    const goesOn = await answered.promise;
    clearTimeout(late);
    if (!goesOn) break;
  }
  expect(sidecar.records.length).toBeLessThan(total);
  const waiting = sidecar.records.length + 1;
  client.socket.resume();
  for (let i = 0; i < waiting; i++) expect((await client.response()).status).toBe(200);
});

test('pipelined requests that come in several TLS records are all answered, in order', async () => {
  const mesh = await makeIdentities();
  await using origin = await http1Origin((req, res) => void res.end(req.url));
  await using sidecar = await startTestSidecar({
    app: origin.address,
    mtls: 'strict',
    credentials: await mesh.live('web'),
  });
  await using client = await rawClient(sidecar.inbound, await mesh.client('caller'));
  const paths = Array.from({ length: 12 }, (_, i) => `/${i}`);
  const padding = `padding: ${'x'.repeat(5000)}`;
  await client.send(paths.map((path) => get(path, padding)).join(''));
  for (const path of paths) expect((await client.response()).body).toBe(path);
});

test('the end of a large last answer reaches a caller who reads late', async () => {
  const size = 3 * 1024 * 1024;
  const clock = manualClock();
  await using origin = await http1Origin('x'.repeat(size));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
  await using client = await sidecar.client();
  await client.send(get('/', 'connection: close'));
  let read = 0;
  const pauseAtEnd = (): void => {
    if (sidecar.records.length > 0) client.socket.pause();
  };
  client.socket.on('data', (chunk: string) => {
    read += chunk.length;
    pauseAtEnd();
  });
  await until('the sidecar has the whole answer', () => sidecar.records.length > 0);
  client.socket.pause();
  clock.advance(5000);
  await settled(() => read);
  client.socket.removeAllListeners('data');
  client.socket.on('data', (chunk: string) => {
    read += chunk.length;
  });
  client.socket.resume();
  await client.over();
  expect(read).toBeGreaterThan(size);
});

test('an answer is not lost because the caller has closed its side', async () => {
  const size = 3 * 1024 * 1024;
  await using origin = await http1Origin('x'.repeat(size));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(get('/'));
  client.socket.pause();
  await until('the answer is on its way', () => origin.requests.length === 1);
  client.half();
  client.socket.resume();
  expect((await client.response()).body).toHaveLength(size);
});

describe('time', () => {
  test('a head must be complete in ten seconds from its first octet, however it trickles in', async () => {
    const clock = manualClock();
    await using sidecar = await startTestSidecar({ clock });
    await using client = await sidecar.client();
    await client.send('GET / HTTP/1.1\r\n');
    await until('the octets are there', () => client.socket.bytesWritten > 0);
    const answered = client.response();
    for (let i = 0; i < 12; i++) {
      await client.send('a: b\r\n');
      await new Promise((resolve) => setTimeout(resolve, 5));
      clock.advance(1000);
    }
    const answer = await answered;
    expect([answer.status, answer.get('weft-error'), answer.get('connection')]).toEqual([
      408,
      'REQUEST_TIMEOUT',
      'close',
    ]);
    await client.over();
  });

  test('a connection that says nothing is closed without an answer', async () => {
    const clock = manualClock();
    await using sidecar = await startTestSidecar({ clock });
    await using client = await sidecar.client();
    await until('the connection is there', () => sidecar.dataPlane.outbound.connections === 1);
    clock.advance(10_001);
    await client.over();
    expect(client.octets.text).toBe('');
  });

  test('an idle connection is closed after a minute', async () => {
    const clock = manualClock();
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
    await using client = await sidecar.client();
    await client.send(get('/'));
    await client.response();
    clock.advance(59_000);
    await client.send(get('/'));
    expect((await client.response()).body).toBe('hello');
    clock.advance(60_001);
    await client.over();
  });

  test('a body that comes too slowly is answered with 408', async () => {
    const clock = manualClock();
    await using origin = await http1Origin(() => {});
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
    await using client = await sidecar.client();
    await client.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100\r\n\r\nabc');
    await until('the service has the request', () => origin.requests.length === 1);
    clock.advance(7000);
    expect((await client.response()).get('weft-error')).toBe('REQUEST_TIMEOUT');
    await until('the service sees the end', () => origin.requests[0]!.aborted);
  });

  test('who waits for 100 Continue is not late with its body', async () => {
    const clock = manualClock();
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      await peer.octets.until('the word', () => go || undefined);
      peer.write('HTTP/1.1 100 Continue\r\n\r\n');
      await peer.octets.until('the body', (text) => text === 'hello' || undefined);
      peer.write('HTTP/1.1 204 No Content\r\n\r\n');
    });
    let go = false;
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
    await using client = await sidecar.client();
    await client.send('POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    await until('the service has the request', () => sidecar.underWay === 1 && origin.peers.length === 1);
    clock.advance(12_000);
    await settled(() => sidecar.underWay);
    go = true;
    origin.peers[0]!.socket.emit('data', '');
    await client.octets.until('100', (text) => text.startsWith('HTTP/1.1 100') || undefined);
    await client.send('hello');
    expect((await client.response()).status).toBe(204);
  });
});

describe('size', () => {
  test('a body that is announced too large is refused before the service hears of it', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, maxRequestBody: 10 });
    await using client = await sidecar.client();
    await client.send('POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n');
    const answer = await client.response();
    expect([answer.status, answer.get('weft-error'), answer.get('connection')]).toEqual([
      413,
      'BODY_TOO_LARGE',
      'close',
    ]);
    await client.over();
    expect(origin.connections).toBe(0);
  });

  test('a chunked body that grows too large is refused, and the service sees it broken off', async () => {
    await using origin = await http1Origin(() => {});
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, maxRequestBody: 10 });
    await using client = await sidecar.client();
    await client.send('POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n');
    await until('the service has the request', () => origin.requests.length === 1);
    await client.send('fffff\r\n');
    expect((await client.response()).get('weft-error')).toBe('BODY_TOO_LARGE');
    await until('the service sees the end', () => origin.requests[0]!.aborted);
  });
});
