// WebSocket across the mesh: client and server of the `ws` package at the two ends, two sidecars and mutual TLS between.
import { once } from 'node:events';
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from 'node:http2';
import { WebSocket } from 'ws';
import type { Address } from '../../lib/address.ts';
import { type ManualClock, manualClock, systemClock } from '../../lib/clock.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';
import {
  closing,
  echo,
  maskedText,
  nextMessage,
  openWebSocket,
  plainText,
  unmasked,
  webSocketOrigin,
} from '../harness/websocket.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

interface Hops extends AsyncDisposable {
  readonly caller: TestSidecar;
  readonly callee: TestSidecar;
  /** A connection of the client to its sidecar. */
  open(path?: string, options?: Parameters<typeof openWebSocket>[2]): Promise<WebSocket>;
}

async function hops(
  app: Address,
  { clock = systemClock as ManualClock | typeof systemClock, yaml = '' } = {},
): Promise<Hops> {
  const callee = await startTestSidecar({
    name: 'web',
    app,
    mtls: 'strict',
    credentials: await mesh.live('web'),
    clock,
    yaml,
  });
  const caller = await startTestSidecar({
    services: { web: [{ at: callee.inbound, identity: mesh.id('web') }] },
    credentials: await mesh.live('shop'),
    clock,
    yaml,
  });
  return {
    caller,
    callee,
    async open(path, options) {
      const opened = await openWebSocket(caller.outbound, path, options);
      if ('status' in opened) throw new Error(`refused with ${opened.status}`);
      return opened.socket;
    },
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await callee[Symbol.asyncDispose]();
    },
  };
}

test('text and octets go both ways, whole and in fragments', async () => {
  await using origin = await webSocketOrigin();
  await using mesh = await hops(origin.address);
  const socket = await mesh.open('/chat?room=1', { headers: { host: 'web', 'x-mine': 'a' } });
  expect([origin.requests[0]!.url, origin.requests[0]!.headers['x-mine']]).toEqual(['/chat?room=1', 'a']);
  for (const message of ['', 'hello', 'grüße', Buffer.from([0, 1, 255]), Buffer.alloc(0), Buffer.alloc(70_000, 7)]) {
    socket.send(message);
    expect(await nextMessage(socket)).toEqual(message);
  }
  for (const [i, piece] of ['a', 'b', '', 'c'].entries()) socket.send(piece, { fin: i === 3 });
  expect(await nextMessage(socket)).toBe('abc');
  for (const [i, piece] of ['d', 'e', 'f'].entries()) origin.sockets[0]!.send(piece, { fin: i === 2 });
  expect(await nextMessage(socket)).toBe('def');
  socket.close();
  await closing(socket);
});

test('the service chooses a subprotocol, and the client hears of it', async () => {
  await using origin = await webSocketOrigin();
  await using mesh = await hops(origin.address);
  const opened = new WebSocket(`ws://127.0.0.1:${(mesh.caller.outbound as { port: number }).port}/`, ['v2', 'v1'], {
    headers: { host: 'web' },
  });
  await once(opened, 'open');
  expect(opened.protocol).toBe('v2');
  opened.close();
  await closing(opened);
});

test('messages of 16 MiB go both ways at once', async () => {
  await using origin = await webSocketOrigin();
  await using mesh = await hops(origin.address);
  const socket = await mesh.open();
  const large = Buffer.alloc(16 * 1024 * 1024);
  for (let i = 0; i < large.length; i += 4) large.writeUInt32LE(i, i);
  for (let i = 0; i < 2; i++) socket.send(large);
  for (let i = 0; i < 2; i++) expect((await nextMessage(socket)) as Buffer).toHaveLength(large.length);
  socket.send(large);
  expect(large.equals((await nextMessage(socket)) as Buffer)).toBe(true);
  socket.close();
  await closing(socket);
});

test('permessage-deflate is agreed on by the two ends, and works', async () => {
  await using origin = await webSocketOrigin(echo, { deflate: true });
  await using mesh = await hops(origin.address);
  const socket = await mesh.open('/', { perMessageDeflate: true });
  expect(socket.extensions).toContain('permessage-deflate');
  for (const message of ['x'.repeat(100_000), 'short']) {
    socket.send(message);
    expect(await nextMessage(socket)).toBe(message);
  }
  socket.close();
  await closing(socket);
});

test('each end can ping the other one', async () => {
  await using origin = await webSocketOrigin();
  await using mesh = await hops(origin.address);
  const socket = await mesh.open();
  for (const end of [socket, origin.sockets[0]!]) {
    const pong = once(end, 'pong');
    end.ping('are you there?');
    expect(String((await pong)[0])).toBe('are you there?');
  }
  socket.close();
  await closing(socket);
});

describe('the end', () => {
  const codes = [1000, 1001, 1003, 1007, 1008, 1011, 1012, 3000, 4999];

  test.each(codes)('code %i and its reason go from the client to the service', async (code) => {
    await using origin = await webSocketOrigin();
    await using mesh = await hops(origin.address);
    const socket = await mesh.open();
    const seen = Promise.all([closing(origin.sockets[0]!), closing(socket)]);
    socket.close(code, 'because');
    expect(await seen).toEqual([
      [code, 'because'],
      [code, 'because'],
    ]);
  });

  test.each(codes)('code %i and its reason go from the service to the client', async (code) => {
    await using origin = await webSocketOrigin();
    await using mesh = await hops(origin.address);
    const socket = await mesh.open();
    const seen = closing(socket);
    origin.sockets[0]!.send('last words');
    origin.sockets[0]!.close(code, 'because');
    expect(await nextMessage(socket)).toBe('last words');
    expect(await seen).toEqual([code, 'because']);
  });

  test.each([
    ['client', 'service'],
    ['service', 'client'],
  ])('the %s breaks off: the %s hears of it at once', async (who) => {
    await using origin = await webSocketOrigin();
    await using mesh = await hops(origin.address);
    const socket = await mesh.open();
    const [one, other] = who === 'client' ? [socket, origin.sockets[0]!] : [origin.sockets[0]!, socket];
    const seen = closing(other);
    one.terminate();
    expect((await seen)[0]).toBe(1006);
    await until('nothing is left of it', () => mesh.caller.underWay === 0 && mesh.callee.underWay === 0);
  });
});

test('a hundred at once, each with its own answers', async () => {
  await using origin = await webSocketOrigin((socket, request) => {
    socket.on('message', (message) => socket.send(`${request.url} ${message}`));
  });
  await using mesh = await hops(origin.address);
  const sockets = await Promise.all(Array.from({ length: 100 }, (_, n) => mesh.open(`/${n}`)));
  for (let round = 0; round < 3; round++) {
    const answers = Promise.all(sockets.map(nextMessage));
    for (const socket of sockets) socket.send(`${round}`);
    expect(await answers).toEqual(sockets.map((_, n) => `/${n} ${round}`));
  }
  // Plain requests go on beside them.
  expect((await mesh.caller.send()).body).toBe('hello');
  const ends = Promise.all(sockets.map(closing));
  for (const socket of sockets) socket.close(1000);
  expect((await ends).map(([code]) => code)).toEqual(Array(100).fill(1000));
  await until('nothing is left of them', () => mesh.caller.underWay === 0 && mesh.callee.underWay === 0);
});

test.each([401, 403, 404, 500])('a refusal with %i reaches the client as the service wrote it', async (status) => {
  await using origin = await webSocketOrigin(echo, { refuse: () => status });
  await using mesh = await hops(origin.address);
  expect(await openWebSocket(mesh.caller.outbound)).toEqual({ status, why: 'test' });
  await until('nothing is left of it', () => mesh.caller.underWay === 0 && mesh.callee.underWay === 0);
});

test('who does not read holds the other end back', async () => {
  await using origin = await webSocketOrigin(() => {});
  await using mesh = await hops(origin.address);
  const socket = await mesh.open();
  socket.pause();
  const [server] = origin.sockets;
  const piece = Buffer.alloc(1024 * 1024);
  for (let i = 0; i < 64; i++) server!.send(piece);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(server!.bufferedAmount).toBeGreaterThan(16 * piece.length);
  let got = 0;
  socket.on('message', (message: Buffer) => {
    got += message.length;
  });
  socket.resume();
  await until('all has come', () => got === 64 * piece.length);
  socket.close();
  await closing(socket);
});

test('a connection on which only pings move stays for hours', async () => {
  const clock = manualClock();
  await using origin = await webSocketOrigin();
  await using mesh = await hops(origin.address, { clock });
  const socket = await mesh.open();
  for (let minute = 0; minute < 180; minute += 4) {
    clock.advance(4 * 60_000);
    const pong = once(socket, 'pong');
    socket.ping();
    await pong;
  }
  socket.send('still here');
  expect(await nextMessage(socket)).toBe('still here');
  socket.close();
  await closing(socket);
});

describe('RFC 8441 at the app', () => {
  const request = (session: ClientHttp2Session, path = '/chat') =>
    session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': path,
        ':authority': 'web',
        'sec-websocket-version': '13',
      },
      { endStream: false },
    );

  test('an app may ask for a WebSocket over HTTP/2', async () => {
    await using origin = await webSocketOrigin();
    await using mesh = await hops(origin.address);
    const session = connect(`http://127.0.0.1:${(mesh.caller.outbound as { port: number }).port}`);
    const [settings] = await once(session, 'remoteSettings');
    expect(settings.enableConnectProtocol).toBe(true);
    const stream = request(session);
    const [head] = await once(stream, 'response');
    expect([head[':status'], head['sec-websocket-accept']]).toEqual([200, undefined]);
    stream.write(maskedText('hello'));
    const [octets] = (await once(stream, 'data')) as [Buffer];
    expect(octets).toEqual(plainText('hello'));
    stream.close();
    await until('the service hears of the end', () => origin.sockets[0]!.readyState === WebSocket.CLOSED);
    session.close();
    await once(session, 'close');
  });

  test('a service may be one that knows WebSocket over HTTP/2 only', async () => {
    const server = createServer({ settings: { enableConnectProtocol: true } });
    server.on('stream', (stream: ServerHttp2Stream, head) => {
      stream.on('error', () => undefined);
      if (head[':method'] !== 'CONNECT' || head[':protocol'] !== 'websocket')
        stream.respond({ ':status': 400 }, { endStream: true });
      else {
        stream.respond({ ':status': 200 });
        stream.on('data', (octets: Buffer) => void stream.write(plainText(`${head[':path']} ${unmasked(octets)}`)));
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    {
      const yaml = `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80, protocol: http2 }] }
`;
      await using mesh = await hops({ host: '127.0.0.1', port }, { yaml });
      const socket = await mesh.open('/chat');
      socket.send('hello');
      expect(await nextMessage(socket)).toBe('/chat hello');
      socket.terminate();
    }
    await new Promise((resolve) => server.close(resolve));
  });
});
