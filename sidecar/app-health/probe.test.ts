import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import type { Address } from '../../lib/address.ts';
import { manualClock } from '../../lib/clock.ts';
import { refusedAddress } from '../../test/harness/refused.ts';
import { type AppHealth, appHealthOptions } from './options.ts';
import { startAppProbe } from './probe.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listening(server: TcpServer | Server): Promise<Address> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket: { destroy(): void }) => sockets.add(socket));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const httpApp = (listener: RequestListener) => listening(createServer(listener));

/** An app of gRPC that answers each call like this. */
const grpcApp = (answer: (stream: ServerHttp2Stream, path: string, message: Promise<Buffer>) => void) => {
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const octets: Buffer[] = [];
    stream.on('data', (some: Buffer) => octets.push(some));
    stream.on('end', () => resolve(Buffer.concat(octets)));
    stream.on('error', () => resolve(Buffer.alloc(0)));
    answer(stream, headers[':path'] ?? '', promise);
  });
  return listening(server);
};

const says = (state: number) => (stream: ServerHttp2Stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from(state === 0 ? [0, 0, 0, 0, 0] : [0, 0, 0, 0, 2, 8, state]));
};

const onlyTrailers = (status: string) => (stream: ServerHttp2Stream) =>
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status }, { endStream: true });

/** A probe on a clock that stands still; `next` is the problem after the next finding that changes anything. */
function probing(app: Address, check: string, more: Partial<AppHealth> = {}) {
  const clock = manualClock();
  let heard = (): void => {};
  const spec = appHealthOptions['app-health'].parse(check)!;
  const health = { check: spec, intervalMs: 1000, timeoutMs: 500, failures: 2, ...more };
  const probe = startAppProbe(app, health, clock, () => heard());
  closers.push(() => probe.close());
  const next = (): Promise<string> =>
    new Promise((resolve) => {
      heard = () => resolve(probe.problem());
    });
  return { clock, probe, next };
}

test.each<[string, () => Promise<Address>, string]>([
  ['tcp', () => listening(createTcpServer()), ''],
  ['tcp', refusedAddress, 'the app does not take connections'],
  [
    'http:/healthz?full=1',
    () => httpApp(({ url }, answer) => answer.writeHead(url === '/healthz?full=1' ? 204 : 404).end()),
    '',
  ],
  ['http:/', () => httpApp((_, answer) => answer.writeHead(302, { location: '/a' }).end()), ''],
  ['http:/ready', () => httpApp((_, answer) => answer.writeHead(503).end('no')), 'the app answered 503 to GET /ready'],
  ['http:/', refusedAddress, 'the app does not take connections'],
  ['http:/', () => listening(createTcpServer((socket) => socket.end('hello\r\n\r\n'))), 'the app broke off GET /: '],
  ['grpc', () => grpcApp(says(1)), ''],
  ['grpc', () => grpcApp(says(2)), 'the app says that it is NOT_SERVING'],
  ['grpc', () => grpcApp(says(0)), 'the app says that it is UNKNOWN'],
  ['grpc', () => grpcApp(onlyTrailers('12')), 'the app does not offer grpc.health.v1.Health'],
  ['grpc:pay.Cards', () => grpcApp(onlyTrailers('5')), "the app has no health of the gRPC service 'pay.Cards'"],
  ['grpc', () => grpcApp(onlyTrailers('14')), 'the app answered grpc.health.v1.Health/Check with UNAVAILABLE'],
  ['grpc', () => grpcApp((stream) => stream.respond({ ':status': 404 }, { endStream: true })), 'no gRPC status'],
  ['grpc', () => grpcApp((stream) => stream.close(2)), 'the app broke off grpc.health.v1.Health/Check: '],
  ['grpc', refusedAddress, 'the app does not take connections'],
  ['grpc', () => httpApp((_, answer) => answer.end()), 'the app broke off grpc.health.v1.Health/Check: '],
])('%s: %#', async (check, app, problem) => {
  const { next } = probing(await app(), check);
  const found = await next();
  if (problem === '') expect(found).toBe('');
  else expect(found).toContain(problem);
});

test('the health of one gRPC service is asked for by its name', async () => {
  const asked: string[] = [];
  const app = await grpcApp((stream, path, message) => {
    void message.then((octets) => {
      asked.push(path, octets.toString('latin1'));
      says(1)(stream);
    });
  });
  expect(await probing(app, 'grpc:pay.Cards').next()).toBe('');
  expect(asked).toEqual(['/grpc.health.v1.Health/Check', '\0\0\0\0\x0b\x0a\x09pay.Cards']);
});

test.each(['http:/slow', 'grpc'])('%s: an app that does not answer in time is down', async (check) => {
  const arrived = Promise.withResolvers<void>();
  const app = check === 'grpc' ? await grpcApp(() => arrived.resolve()) : await httpApp(() => arrived.resolve());
  const { clock, next } = probing(app, check);
  const found = next();
  await arrived.promise;
  clock.advance(500);
  expect(await found).toMatch(/^the app did not answer \S.* in time$/);
});

test('a single bad answer takes nobody out, several in a row do, and one good one brings back', async () => {
  let status = 200;
  let answered = Promise.withResolvers<void>();
  const app = await httpApp((_, answer) => {
    answer.writeHead(status).end(() => answered.resolve());
  });
  const { clock, probe, next } = probing(app, 'http:/', { failures: 3 });
  expect(await next()).toBe('');
  // A check is over a little after its answer has gone out: time moves until the next one has come.
  const another = async (): Promise<void> => {
    answered = Promise.withResolvers<void>();
    let cameIn = false;
    const came = answered.promise.then(() => {
      cameIn = true;
    });
    while (!cameIn) {
      clock.advance(100);
      await new Promise((done) => setImmediate(done));
    }
    await came;
  };
  status = 500;
  await another();
  await another();
  expect(probe.problem()).toBe('');
  const down = next();
  await another();
  expect(await down).toBe('the app answered 500 to GET /');
  status = 200;
  const up = next();
  await another();
  expect(await up).toBe('');
});

test('an app that goes away is down at once', async () => {
  const server = createTcpServer((socket) => socket.end());
  const app = await listening(server);
  const { clock, next } = probing(app, 'tcp', { failures: 100 });
  expect(await next()).toBe('');
  await new Promise((done) => server.close(done));
  const down = next();
  clock.advance(1000);
  expect(await down).toBe('the app does not take connections');
});

test.each([
  ['tcp', { by: 'tcp' }],
  ['http:/a', { by: 'http', path: '/a' }],
  ['grpc', { by: 'grpc', service: '' }],
  ['grpc:a.B/c', { by: 'grpc', service: 'a.B/c' }],
  ['http', undefined],
  ['http:a', undefined],
  ['http:/a b', undefined],
  ['grpc:', undefined],
  ['udp', undefined],
  ['', undefined],
])('--app-health %s', (text, expected) => {
  expect(appHealthOptions['app-health'].parse(text)).toEqual(expected);
});
