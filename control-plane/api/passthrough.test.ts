import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { createSecureContext, type SecureContext, type TlsOptions } from 'node:tls';
import { makeLeaf, makeRoot, type TestCert } from '../../test/harness/certs.ts';
import { until } from '../../test/harness/until.ts';
import { ask, proxy, startTestApi, type TestApi } from './test-api.ts';

const cart = 'spiffe://mesh.local/ns/default/sa/cart';
let root: TestCert;
let own: SecureContext;
let at: TestApi;
/** Stands for the inbound port of a sidecar. */
let sidecar: HttpsServer;
let jaeger: Server;
let seen: IncomingMessage[];
let reply: (request: IncomingMessage, response: ServerResponse) => void;
let adminPort: number;

const optionsOf = async (id?: string, by = root): Promise<TlsOptions> => {
  const leaf = await makeLeaf(by, id === undefined ? { dns: ['cart'] } : { uris: [id] });
  const secure = { cert: leaf.chainPem, key: leaf.keyPem, ca: root.pem, requestCert: true, rejectUnauthorized: true };
  return { ...secure, minVersion: 'TLSv1.3', ALPNProtocols: ['weft-admin'] };
};
const contextOf = async (): Promise<SecureContext> => {
  const leaf = await makeLeaf(root, { uris: ['spiffe://mesh.local/ns/weft/sa/control-plane'] });
  return createSecureContext({ cert: leaf.chainPem, key: leaf.keyPem, ca: root.pem, minVersion: 'TLSv1.3' });
};

beforeEach(async () => {
  seen = [];
  reply = (_request, response) => void response.end('ready\n');
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    seen.push(request);
    reply(request, response);
  };
  root = await makeRoot();
  own = await contextOf();
  sidecar = createHttps(await optionsOf(cart), take);
  jaeger = createServer(take);
  for (const server of [sidecar, jaeger]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  adminPort = (sidecar.address() as AddressInfo).port;
  at = await startTestApi({
    jaegerUi: new URL(`http://127.0.0.1:${(jaeger.address() as AddressInfo).port}/jaeger`),
    ownContext: () => own,
  });
  at.addProxy(proxy('cart-1', `127.0.0.1:${adminPort}`));
});
afterEach(async () => {
  await at.close();
  for (const server of [sidecar, jaeger]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a GET reaches the sidecar over mutual TLS, with nothing else of the caller', async () => {
  const answer = await at.get('/v1/proxies/default/cart/cart-1/admin/config?format=json&x=%2F', {
    accept: 'text/html',
    authorization: 'Bearer secret',
    cookie: 'a=b',
    'x-forwarded-for': '10.0.0.1',
  });
  expect(answer).toMatchObject({ status: 200, text: 'ready\n' });
  expect(seen[0]).toMatchObject({ method: 'GET', url: '/config?format=json&x=%2F' });
  expect(seen[0]!.headers).toEqual({ accept: 'text/html', connection: 'keep-alive', host: 'sidecar' });
});

test('a page of a sidecar cannot run scripts, set cookies or loosen our headers', async () => {
  reply = (_request, response) => {
    response.setHeader('set-cookie', 'a=b');
    response.setHeader('content-security-policy', "script-src 'unsafe-inline'");
    response.setHeader('x-frame-options', 'ALLOWALL');
    response.setHeader('content-type', 'text/html');
    response.end('<script>fetch("/v1/apply")</script>');
  };
  const { headers } = await at.get('/v1/proxies/default/cart/cart-1/admin/');
  expect(headers['content-security-policy']).toMatch(/^sandbox;/);
  expect(headers).toMatchObject({ 'x-frame-options': 'DENY', 'x-content-type-options': 'nosniff' });
  expect(headers).not.toHaveProperty('set-cookie');
});

test.each(['POST', 'PUT', 'DELETE'])('%s is not passed on', async (method) => {
  const answer = await ask(
    at.port,
    method,
    '/v1/proxies/default/cart/cart-1/admin/drain',
    method === 'DELETE' ? undefined : {},
  );
  expect(answer.status).toBe(405);
  expect(seen).toEqual([]);
});

test.each([
  ['is gone', '127.0.0.1:1', /127\.0\.0\.1:1: .*ECONNREFUSED/],
  ['has no address', '', /no inbound address/],
])('a sidecar that %s is a problem with a code', async (_, inbound, reason) => {
  at.addProxy(proxy('gone', inbound));
  const answer = await at.get('/v1/proxies/default/cart/gone/admin/ready');
  expect(answer).toMatchObject({
    status: 502,
    body: { code: 'SIDECAR_UNREACHABLE', detail: expect.stringMatching(reason) },
  });
});

test('an instance is one of a service: another service cannot speak in its name', async () => {
  at.addProxy({ ...proxy('payments-1', `127.0.0.1:${adminPort}`), service: 'cart' });
  at.addProxy({ ...proxy('payments-1', '127.0.0.1:1'), service: 'payments' });
  expect((await at.get('/v1/proxies/default/cart/payments-1/admin/ready')).status).toBe(200);
  expect((await at.get('/v1/proxies/default/payments/payments-1/admin/ready')).status).toBe(502);
  expect((await at.get('/v1/proxies/other/cart/payments-1/admin/ready')).status).toBe(404);
});

describe('nobody is believed to be the sidecar who', () => {
  const refused = async (given: TlsOptions, reason: RegExp) => {
    const other = createHttps({ ...given }, (request, response) => {
      seen.push(request);
      response.end('secret');
    });
    other.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const instance = `other-${at.proxies.length}`;
    at.addProxy(proxy(instance, `127.0.0.1:${(other.address() as AddressInfo).port}`));
    const answer = await at.get(`/v1/proxies/default/cart/${instance}/admin/ready`);
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
    expect(answer).toMatchObject({ status: 502, body: { detail: expect.stringMatching(reason) } });
    expect(seen).toEqual([]);
  };

  test('is another service', async () => {
    await refused(await optionsOf('spiffe://mesh.local/ns/default/sa/web'), /it is spiffe:.*\/web, not .*\/cart/);
  });
  test('is of another trust domain', async () => {
    await refused(await optionsOf('spiffe://other.local/ns/default/sa/cart'), /it is spiffe:\/\/other/);
  });
  test('has no SPIFFE ID', async () => {
    await refused(await optionsOf(), /not believed: no-uri-san/);
  });
  test('has a certificate of another root', async () => {
    await refused(await optionsOf(cart, await makeRoot()), /self-signed|unable to verify|issuer/);
  });
  test('does not know these connections', async () => {
    const { ALPNProtocols: _, ...older } = await optionsOf(cart);
    await refused({ ...older, ALPNProtocols: ['h2'] }, /no application protocol/i);
    await refused(older, /no admin pages|no application protocol/i);
  });
});

test('one connection carries what is asked for one after the other, until there is a new certificate', async () => {
  const ports = async (): Promise<number> => {
    await at.get('/v1/proxies/default/cart/cart-1/admin/metrics');
    return seen.at(-1)!.socket.remotePort!;
  };
  const first = await ports();
  expect(await ports()).toBe(first);
  const { socket } = seen[0]!;
  const ended = new Promise((resolve) => socket.once('close', resolve));
  own = await contextOf();
  expect(await ports()).not.toBe(first);
  await ended;
});

test('content of a GET is refused, because it could be read as a second request', async () => {
  const inner = 'POST /drain HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const path of ['/v1/proxies/default/cart/cart-1/admin/ready', '/jaeger/api']) {
    const answer = await ask(at.port, 'GET', path, inner, { 'content-length': String(inner.length) });
    expect(answer).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    expect((await ask(at.port, 'GET', path, inner, { 'transfer-encoding': 'chunked' })).status).toBe(400);
  }
  expect(seen).toEqual([]);
});

test('an answer that breaks off breaks off for the caller too', async () => {
  reply = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half');
    setImmediate(() => response.destroy());
  };
  await expect(at.get('/v1/proxies/default/cart/cart-1/admin/config')).rejects.toThrow(/aborted|hang up|ECONNRESET/);
});

test('a caller that goes away ends the request to the sidecar', async () => {
  const arrived = new Promise<IncomingMessage>((resolve) => {
    reply = (request, response) => {
      response.write('a stream that goes on');
      resolve(request);
    };
  });
  const socket = connect(at.port, '127.0.0.1');
  socket.write('GET /v1/proxies/default/cart/cart-1/admin/tap HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const request = await arrived;
  const ended = new Promise((resolve) => request.socket.once('close', resolve));
  await new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.destroy();
  await ended;
});

test("jaeger's pages keep their scripts and are asked for under their base path", async () => {
  reply = (_request, response) => {
    response.setHeader('content-security-policy', "script-src 'self'");
    response.end('jaeger');
  };
  const answer = await at.get('/jaeger/search?service=web', { authorization: 'Bearer secret' });
  expect(answer.text).toBe('jaeger');
  expect(answer.headers['content-security-policy']).toBe("script-src 'self'");
  expect(seen[0]).toMatchObject({ url: '/jaeger/search?service=web' });
  expect(seen[0]!.headers.authorization).toBeUndefined();
});

test('the path cannot leave the base path of Jaeger', async () => {
  for (const path of ['../admin', 'a/../../admin', '%2e%2e/admin', '.%2E/admin', '..%2fadmin', '..\\admin', 'x/..'])
    expect(await at.get(`/jaeger/${path}`)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
  expect(seen).toEqual([]);
  expect((await at.get('/jaeger/api/traces/..a?service=a/../b')).status).toBe(200);
  expect(await at.get('/jaeger')).toMatchObject({ status: 302, headers: { location: 'jaeger/' } });
});

test('callers that go away leave no request open at Jaeger', async () => {
  reply = (_request, response) => void response.write('a page that goes on');
  const open = new Set<unknown>();
  jaeger.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const callers = Array.from({ length: 20 }, () => {
    const socket = connect(at.port, '127.0.0.1');
    socket.write('GET /jaeger/api/traces HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return socket;
  });
  await Promise.all(callers.map((socket) => new Promise<void>((resolve) => socket.once('data', () => resolve()))));
  expect(open.size).toBe(20);
  for (const socket of callers) socket.destroy();
  await until('all are gone', () => open.size === 0);
});

test('a Jaeger that is away is a problem with a code', async () => {
  jaeger.closeAllConnections();
  await new Promise((resolve) => jaeger.close(resolve));
  expect(await at.get('/jaeger/')).toMatchObject({ status: 502, body: { code: 'JAEGER_UNREACHABLE' } });
});
