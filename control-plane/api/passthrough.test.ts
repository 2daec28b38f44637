import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { ask, proxy, startTestApi, type TestApi } from './test-api.ts';

let at: TestApi;
let admin: Server;
let seen: IncomingMessage[];
let reply: (request: IncomingMessage, response: ServerResponse) => void;
let adminPort: number;

beforeEach(async () => {
  seen = [];
  reply = (_request, response) => void response.end('ready\n');
  admin = createServer((request, response) => {
    seen.push(request);
    reply(request, response);
  });
  await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
  adminPort = (admin.address() as AddressInfo).port;
  at = await startTestApi({ jaegerUi: new URL(`http://127.0.0.1:${adminPort}/jaeger`) });
  at.addProxy(proxy('cart-1', `127.0.0.1:${adminPort}`));
});
afterEach(async () => {
  await at.close();
  admin.closeAllConnections();
  await new Promise((resolve) => admin.close(resolve));
});

test('a GET reaches the admin address of that sidecar, without our credentials', async () => {
  const answer = await at.get('/v1/proxies/cart-1/admin/config?format=json&x=%2F', {
    authorization: 'Bearer secret',
    cookie: 'a=b',
  });
  expect(answer).toMatchObject({ status: 200, text: 'ready\n' });
  expect(seen[0]).toMatchObject({ method: 'GET', url: '/config?format=json&x=%2F' });
  expect(seen[0]!.headers).toMatchObject({ host: `127.0.0.1:${adminPort}` });
  expect(seen[0]!.headers.authorization).toBeUndefined();
  expect(seen[0]!.headers.cookie).toBeUndefined();
});

test('a page of a sidecar cannot run scripts, set cookies or loosen our headers', async () => {
  reply = (_request, response) => {
    response.setHeader('set-cookie', 'a=b');
    response.setHeader('content-security-policy', "script-src 'unsafe-inline'");
    response.setHeader('x-frame-options', 'ALLOWALL');
    response.setHeader('content-type', 'text/html');
    response.end('<script>fetch("/v1/apply")</script>');
  };
  const { headers } = await at.get('/v1/proxies/cart-1/admin/');
  expect(headers['content-security-policy']).toMatch(/^sandbox;/);
  expect(headers).toMatchObject({ 'x-frame-options': 'DENY', 'x-content-type-options': 'nosniff' });
  expect(headers).not.toHaveProperty('set-cookie');
});

test.each(['POST', 'PUT', 'DELETE'])('%s is not passed on', async (method) => {
  const answer = await ask(at.port, method, '/v1/proxies/cart-1/admin/drain', method === 'DELETE' ? undefined : {});
  expect(answer.status).toBe(405);
  expect(seen).toEqual([]);
});

test('a sidecar that is gone, or has no admin address, is a problem with a code', async () => {
  at.addProxy(proxy('gone', '127.0.0.1:1'));
  at.addProxy(proxy('none', ''));
  for (const instance of ['gone', 'none']) {
    const answer = await at.get(`/v1/proxies/${instance}/admin/ready`);
    expect(answer).toMatchObject({ status: 502, body: { code: 'SIDECAR_UNREACHABLE' } });
  }
});

test('an answer that breaks off breaks off for the caller too', async () => {
  reply = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half');
    setImmediate(() => response.destroy());
  };
  await expect(at.get('/v1/proxies/cart-1/admin/config')).rejects.toThrow(/aborted|hang up|ECONNRESET/);
});

test('a caller that goes away ends the request to the sidecar', async () => {
  const arrived = new Promise<IncomingMessage>((resolve) => {
    reply = (request, response) => {
      response.write('a stream that goes on');
      resolve(request);
    };
  });
  const socket = connect(at.port, '127.0.0.1');
  socket.write('GET /v1/proxies/cart-1/admin/tap HTTP/1.1\r\nHost: localhost\r\n\r\n');
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
