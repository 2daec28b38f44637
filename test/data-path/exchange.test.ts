import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rawClient, requestText, send } from '../harness/client.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const get = (path: string, ...fields: string[]): string => requestText({ target: path, fields });

test('requests of one connection go to the service over one connection', async () => {
  await using origin = await http1Origin((req, res) => void res.end(`you asked for ${req.url}`));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  for (const path of ['/a', '/b', '/c?d=e']) {
    await client.send(get(path));
    expect(await client.response()).toMatchObject({ status: 200, body: `you asked for ${path}` });
  }
  expect(origin.connections).toBe(1);
  expect(sidecar.records.map(({ status, path }) => [status, path])).toEqual([
    [200, '/a'],
    [200, '/b'],
    [200, '/c'],
  ]);
});

test('pipelined requests are answered in order, however fast each answer comes', async () => {
  await using origin = await http1Origin((req, res) => {
    setTimeout(() => res.end(req.url), req.url === '/0' ? 30 : 0);
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
  await client.send(paths.map((path) => get(path)).join(''));
  const bodies: string[] = [];
  for (const _ of paths) bodies.push((await client.response()).body);
  expect(bodies).toEqual(paths);
});

test('pipelined requests before the end of a half-closed connection are all answered', async () => {
  await using origin = await http1Origin((req, res) => void res.end(req.url));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(get('/a') + get('/b') + get('/c'));
  client.half();
  for (const path of ['/a', '/b', '/c']) expect((await client.response()).body).toBe(path);
  await client.over();
});

test('HEAD, 204 and 304 have no body, whatever their fields say, and the connection goes on', async () => {
  await using origin = await rawOrigin(async (peer) => {
    for (;;) {
      const head = await peer.head();
      if (head.startsWith('HEAD')) peer.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
      else if (head.includes('/204')) peer.write('HTTP/1.1 204 No Content\r\n\r\n');
      else if (head.includes('/304')) peer.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\netag: "x"\r\n\r\n');
      else peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    }
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(requestText({ method: 'HEAD' }));
  const head = await client.response('HEAD');
  expect([head.status, head.get('content-length')]).toEqual([200, '5']);
  await client.send(get('/204'));
  const none = await client.response();
  expect([none.status, none.get('content-length'), none.get('transfer-encoding')]).toEqual([204, undefined, undefined]);
  await client.send(get('/304'));
  const same = await client.response();
  expect([same.status, same.get('etag'), same.get('content-length')]).toEqual([304, '"x"', '9']);
  await client.send(get('/'));
  expect((await client.response()).body).toBe('ok');
  expect(origin.peers).toHaveLength(1);
});

test('responses of 1xx are relayed before the final one', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nConnection: x\r\n\r\n');
    peer.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(get('/'));
  expect(await client.response()).toMatchObject({ status: 200, body: 'ok' });
  expect(client.interim.map(({ status, fields }) => [status, fields])).toEqual([
    [103, [['link', '</a.css>']]],
    [102, []],
  ]);
});

test('1xx without end, and 101 that nobody asked for, are an invalid answer', async () => {
  await using origin = await rawOrigin(async (peer) => {
    const head = await peer.head();
    if (head.includes('/101')) peer.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n');
    else peer.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(20));
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  for (const target of ['/101', '/102'])
    expect((await sidecar.send({ target })).get('weft-error')).toBe('UPSTREAM_INVALID');
});

test('who expects 100 Continue gets it from the service, then sends the body', async () => {
  await using origin = await rawOrigin(async (peer) => {
    expect(await peer.head()).toMatch(/\r\nexpect: 100-continue\r\n/i);
    peer.write('HTTP/1.1 100 Continue\r\n\r\n');
    await peer.octets.until('the body', (text) => text === 'hello' || undefined);
    peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send('POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n');
  await client.octets.until('100', (text) => text.startsWith('HTTP/1.1 100') || undefined);
  await client.send('hello');
  expect(await client.response()).toMatchObject({ status: 200, body: 'ok' });
  expect(client.interim.map(({ status }) => status)).toEqual([100]);
});

test('an answer instead of 100 Continue ends the connection, since the body may never come', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send('POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  const answer = await client.response();
  expect([answer.status, answer.body, answer.get('connection')]).toEqual([401, 'no', 'close']);
  await client.over();
});

test('a small body that is still to come after an early answer is dropped and the connection goes on', async () => {
  await using origin = await rawOrigin(async (peer) => {
    const head = await peer.head();
    if (head.startsWith('POST')) peer.write('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n');
    else peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\nabc');
  expect((await client.response()).status).toBe(413);
  await client.send(`defghij${get('/next')}`);
  expect(await client.response()).toMatchObject({ status: 200, body: 'ok' });
  expect(origin.peers).toHaveLength(2);
});

test('the absolute form speaks for the host, and goes out as a path', async () => {
  await using origin = await http1Origin((req, res) => void res.end(`${req.headers.host} ${req.url}`));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  const ask = async (target: string) => (await sidecar.send({ target, host: 'other' })).body;
  expect(await ask('http://web/a/../b?c')).toBe('web /b?c');
  expect(await ask('http://WEB.mesh:80?q=1')).toBe('web.mesh:80 /?q=1');
});

test('chunks of a request and of a response are made anew, without extensions and trailers', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    const body = await peer.octets.until('the last chunk', (text) => (text.endsWith('0\r\n\r\n') ? text : undefined));
    expect(body).toMatch(/^(?:[1-9a-f][0-9a-f]*\r\n[a-j]+\r\n)+0\r\n\r\n$/);
    peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X-Sum\r\n\r\n');
    peer.write('00003;a="b;\\"c"\r\nxyz\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send('POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n');
  await client.send('3;ext=1\r\nabc\r\n07;x\r\ndefghij\r\n000\r\nA: b\r\nHost: evil\r\n\r\n');
  const answer = await client.response();
  expect(answer).toMatchObject({ status: 200, body: 'xyz0123456789', complete: true });
  expect(answer.get('trailer')).toBeUndefined();
  expect(client.octets.text).toBe('');
});

test('a response that ends with its connection reaches the caller in chunks', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.0 200 OK\r\n\r\nall of it');
    peer.socket.end();
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(get('/'));
  const answer = await client.response();
  expect(answer).toMatchObject({ status: 200, body: 'all of it', complete: true });
  expect(answer.get('transfer-encoding')).toBe('chunked');
  await client.send(get('/'));
  expect((await client.response()).body).toBe('all of it');
});

describe('HTTP/1.0', () => {
  test('a caller gets no chunks, and its connection ends unless it asks to keep it', async () => {
    await using origin = await http1Origin({
      '/chunks': (_, res) => {
        res.write('a');
        res.end('b');
      },
      '/length': 'all',
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    await client.send('GET /length HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n');
    const kept = await client.response();
    expect([kept.version, kept.body, kept.get('connection')]).toEqual(['HTTP/1.1', 'all', 'keep-alive']);
    await client.send('GET /chunks HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n');
    const closed = await client.response();
    expect([closed.body, closed.get('transfer-encoding'), closed.get('connection')]).toEqual([
      'ab',
      undefined,
      'close',
    ]);
    await client.over();
    expect(origin.requests.every((seen) => seen.fields.some(([name]) => name === 'Host'))).toBe(true);
  });

  test('Connection: close wins over keep-alive beside it', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    await client.send('GET / HTTP/1.0\r\nHost: web\r\nConnection: close, keep-alive\r\n\r\n');
    expect((await client.response()).get('connection')).toBe('close');
    await client.over();
  });

  test('a body cut off by the service is broken off for a caller who reads to the end', async () => {
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      peer.socket.end();
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    await client.send('GET / HTTP/1.0\r\nHost: web\r\n\r\n');
    await client.over();
    expect(client.octets.error).toBe('ECONNRESET');
  });
});

test('a caller who goes away takes its request to the service with it', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  await using origin = await http1Origin(() => resolve());
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(requestText({ method: 'POST', fields: ['content-length: 10'] }));
  await client.send('abc');
  await arrived;
  client.reset();
  await until('the service sees the end', () => origin.requests[0]!.aborted && origin.open === 0);
  expect(sidecar.records.map(({ code }) => code)).toEqual(['DOWNSTREAM_GONE']);
});

test('what comes behind a complete response is never taken for the next one', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison');
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  for (let i = 0; i < 3; i++) {
    await client.send(get('/'));
    expect((await client.response()).body).toBe('ok');
  }
  expect(origin.peers).toHaveLength(3);
});

test('octets on an idle connection to a service end it', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison');
    await peer.octets.until('the close', (_, over) => over || undefined);
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  expect((await sidecar.send()).body).toBe('ok');
  await origin.peers[0]!.octets.until('the close', (_, over) => over || undefined);
  expect((await sidecar.send()).body).toBe('ok');
});

test('a caller over a unix-domain socket reaches a service behind one', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'weft-'));
  await using origin = await http1Origin('over unix', { path: `${folder.path}/app` });
  await using sidecar = await startTestSidecar({
    services: { web: [origin.address] },
    app: origin.address,
    inbound: { path: `${folder.path}/in` },
    outbound: { path: `${folder.path}/out` },
  });
  expect((await send(sidecar.outbound)).body).toBe('over unix');
  expect((await send(sidecar.inbound)).body).toBe('over unix');
  await using client = await rawClient(sidecar.inbound);
  await client.send(get('/', 'x-forwarded-for: 9.9.9.9'));
  await client.response();
  expect(origin.requests.at(-1)!.all('x-forwarded-for')).toEqual(['unix']);
});
