import { connect } from 'node:net';
import * as schemas from '../../proto/api/api.ts';
import { service } from '../admit/examples.ts';
import { ask, startTestApi, type TestApi } from './test-api.ts';

let at: TestApi;
beforeEach(async () => {
  at = await startTestApi();
});
afterEach(() => at.close());

describe('hostile requests', () => {
  const apply = '/v1/apply';
  test.each<[string, string, number, RegExp]>([
    ['nothing', '', 400, /not JSON/],
    ['half of a document', '{"resources": [', 400, /not JSON/],
    ['no object', '[]', 400, /an object/],
    ['null', 'null', 400, /an object/],
    ['a number out of range', '{"expectRevision": 1e999}', 400, /out of range/],
    ['a key that stands twice', '{"dryRun": true, "dryRun": false}', 400, /dryRun.* twice/],
    ['a key that stands twice, written in two ways', '{"dryRun": true, "dry\\u0052un": false}', 400, /twice/],
    ['a key that stands twice deep inside', '{"resources":[{"a":{"b":1,"b":2}}]}', 400, /twice/],
    ['the prototype', '{"__proto__": {"dryRun": true}}', 400, /__proto__/],
    ['the prototype, written in another way', '{"\\u005f_proto__": 1}', 400, /__proto__/],
    ['the prototype deep inside', '{"resources":[{"metadata":{"__proto__":{"name":"x"}}}]}', 400, /__proto__/],
    ['a hundred thousand brackets', '['.repeat(100_000) + ']'.repeat(100_000), 400, /nested/],
    ['a hundred thousand objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 400, /nested/],
    ['an unknown field', '{"resource": []}', 400, /resource/],
    ['a wrong type', '{"resources": "all", "dryRun": 1}', 400, /resources.*dryRun/],
    ['a message of two lines', '{"message": "a\\nb"}', 400, /one line/],
    ['an escape sequence as author', '{"author": "\\u001b[2J"}', 400, /one line/],
    ['a key of a delete that is no key', '{"delete": [{"name": "web"}]}', 400, /delete\[0\]\.kind/],
    ['a resource of no shape', '{"resources": [null, 1, "x", [], {}]}', 422, /apiVersion/],
  ])('a body with %s is refused', async (_, body, status, wanted) => {
    const answer = await at.post(apply, body);
    expect(answer.status).toBe(status);
    const problem = schemas.problemSchema.parse(answer.body);
    expect(JSON.stringify(problem)).toMatch(wanted);
    expect(answer.text).not.toMatch(/\.ts:\d|node_modules/);
    expect(at.store.current().revision).toBe(0);
    expect((await at.get('/healthz')).status).toBe(200);
  });

  test('a body that is not UTF-8 is refused', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(at.port, '127.0.0.1');
      socket.write(
        'POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\nConnection: close\r\n\r\n',
      );
      socket.end(Buffer.concat([Buffer.from('{"message": "'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*the body is not UTF-8/s);
  });

  test('a body over 8 MiB is refused, announced or not', async () => {
    const announced = await at.post(apply, '{}', { 'content-length': 8 * 1024 * 1024 + 1 }).catch(() => undefined);
    if (announced !== undefined) expect(announced.status).toBe(413);
    const body = `{"message":"${'x'.repeat(8 * 1024 * 1024)}"}`;
    const streamed = await at.post(apply, body, { 'transfer-encoding': 'chunked' }).catch(() => undefined);
    if (streamed !== undefined) expect(streamed.status).toBe(413);
    expect((await at.get('/healthz')).status).toBe(200);
  });

  test.each<[string, string, string, number, string]>([
    ['an unknown path', 'GET', '/v1/nothing', 404, 'NOT_FOUND'],
    ['a path that goes up', 'GET', '/v1/../etc/passwd', 404, 'NOT_FOUND'],
    ['a broken escape', 'GET', '/v1/proxies/default/cart/%ZZ/admin/ready', 400, 'BAD_REQUEST'],
    ['an absolute target', 'GET', 'http://evil.example/v1/status', 400, 'BAD_REQUEST'],
    ['a method that is not taken', 'DELETE', '/v1/resources', 405, 'METHOD_NOT_ALLOWED'],
    ['a question that a web page asks before it posts', 'OPTIONS', '/v1/apply', 405, 'METHOD_NOT_ALLOWED'],
    ['a GET of what is posted', 'GET', '/v1/apply', 405, 'METHOD_NOT_ALLOWED'],
    ['an unknown parameter', 'GET', '/v1/resources?knid=Service', 400, 'BAD_REQUEST'],
    ['an unknown parameter where there is none', 'GET', '/v1/status?x=1', 400, 'BAD_REQUEST'],
    ['a parameter twice', 'GET', '/v1/diff?from=1&from=2', 400, 'BAD_REQUEST'],
    ['a parameter that is missing', 'GET', '/v1/diff', 400, 'BAD_REQUEST'],
    ['a parameter that is no number', 'GET', '/v1/diff?from=0x10', 400, 'BAD_REQUEST'],
    ['a parameter named as the prototype', 'GET', '/v1/diff?__proto__=1', 400, 'BAD_REQUEST'],
    ['a revision of the future', 'GET', '/v1/revisions/7', 404, 'NOT_FOUND'],
    ['a revision that is none', 'GET', '/v1/revisions/1e3', 404, 'NOT_FOUND'],
    ['revision 0', 'GET', '/v1/revisions/0', 404, 'NOT_FOUND'],
    ['a diff with the future', 'GET', '/v1/diff?from=0&to=9', 404, 'NOT_FOUND'],
    ['convergence on the future', 'GET', '/v1/convergence?revision=9', 404, 'NOT_FOUND'],
    ['a sidecar that is not there', 'GET', '/v1/proxies/default/cart/x/admin/ready', 404, 'NOT_FOUND'],
    ['jaeger where there is none', 'GET', '/jaeger/search', 404, 'NOT_FOUND'],
    ['a long target', 'GET', `/v1/resources?name=${'x'.repeat(14_000)}`, 200, ''],
  ])('%s', async (_, method, path, status, code) => {
    const answer = await ask(at.port, method, path);
    expect(answer.status).toBe(status);
    if (code !== '') expect(schemas.problemSchema.parse(answer.body).code).toBe(code);
    if (status === 405) expect(answer.headers.allow).toMatch(/^(GET|POST)$/);
  });

  test.each([
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['multipart/form-data; boundary=x', 415],
    ['', 415],
    ['application/json; charset=utf-8', 200],
    ['Application/JSON', 200],
  ])('a body of the media type %p is answered with %p', async (type, status) => {
    expect((await at.post(apply, '{}', { 'content-type': type })).status).toBe(status);
  });

  test('a body in a content coding is refused', async () => {
    expect((await at.post(apply, '{}', { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  test.each([
    ['localhost', 200],
    ['LOCALHOST:7080', 200],
    ['127.0.0.1:1', 200],
    ['127.9.9.9', 200],
    ['[::1]:7080', 200],
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['evil.example@localhost', 403],
    ['localhost:x', 403],
    ['0.0.0.0', 403],
    ['[::1', 403],
  ])('on loopback the Host %p is answered with %p', async (host, status) => {
    expect((await at.get('/v1/status', { host })).status).toBe(status);
  });

  test('every answer carries the security headers, good or bad', async () => {
    for (const path of ['/v1/status', '/v1/nothing', '/openapi.json'])
      expect((await at.get(path)).headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'content-security-policy': expect.stringContaining("default-src 'none'"),
        'cache-control': 'no-store',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      });
    expect((await at.get('/v1/status')).headers).not.toHaveProperty('access-control-allow-origin');
  });

  test('HEAD is GET without the content', async () => {
    const answer = await ask(at.port, 'HEAD', '/v1/status');
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(10);
    expect((await ask(at.port, 'HEAD', '/v1/watch')).status).toBe(405);
  });
});

describe('a token as a password', () => {
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
  test('opens pages for browsers, and nothing else', async () => {
    const guarded = await startTestApi({ token: 'correct-horse', jaegerUi: new URL('http://127.0.0.1:1/') });
    for (const path of ['/jaeger/', '/v1/proxies/default/cart/none/admin/']) {
      const asked = await guarded.get(path);
      expect(asked.status).toBe(401);
      // What makes a browser ask for it.
      expect(asked.headers['www-authenticate']).toMatch(/^Basic realm=/);
      for (const wrong of [
        ':',
        'correct-horse',
        'correct-horse:',
        'a:correct',
        'a:b:correct-horse',
        'a:correct-horse ',
      ])
        expect((await guarded.get(path, basic(wrong))).status).toBe(401);
      expect([404, 502]).toContain((await guarded.get(path, basic('me:correct-horse'))).status);
      expect([404, 502]).toContain((await guarded.get(path, { authorization: 'Bearer correct-horse' })).status);
    }
    for (const path of ['/v1/status', '/v1/watch', '/openapi.json']) {
      const answer = await guarded.get(path, basic('me:correct-horse'));
      expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="weft"' } });
    }
    expect((await guarded.post('/v1/apply', {}, basic('me:correct-horse'))).status).toBe(401);
    await guarded.close();
  });
});

describe('a token', () => {
  test('is needed for everything but probes', async () => {
    const guarded = await startTestApi({ token: 'correct-horse' });
    try {
      for (const authorization of [
        undefined,
        'Bearer wrong',
        'Bearer',
        'Basic correct-horse',
        'Bearercorrect-horse',
        'Bearer correct-horse2',
      ]) {
        const answer = await guarded.get('/v1/status', authorization === undefined ? {} : { authorization });
        expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer /);
      }
      expect((await guarded.post('/v1/apply', { resources: [service('web')] })).status).toBe(401);
      expect(guarded.store.current().revision).toBe(0);
      expect((await guarded.get('/v1/status', { authorization: 'bearer correct-horse' })).status).toBe(200);
      expect((await guarded.get('/readyz')).status).toBe(200);
    } finally {
      await guarded.close();
    }
  });

  test('is required where others can reach the API', async () => {
    await expect(startTestApi({ address: { host: '0.0.0.0', port: 0 } })).rejects.toThrow(/needs a token/);
    const open = await startTestApi({ address: { host: '0.0.0.0', port: 0 }, token: 'secret' });
    const headers = { host: 'mesh.example', authorization: 'Bearer secret' };
    expect((await open.get('/v1/status', headers)).status).toBe(200);
    await open.close();
  });
});
