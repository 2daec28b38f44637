import { connect } from 'node:net';
import type { z } from 'zod';
import * as schemas from '../../proto/api/api.ts';
import { key, retries, route, service } from '../admit/examples.ts';
import { ask, endpoint, proxy, startTestApi, type TestApi } from './test-api.ts';

let at: TestApi;
beforeEach(async () => {
  at = await startTestApi();
});
afterEach(() => at.close());

/** The body of a good answer, checked against the contract. */
async function good<T extends z.ZodType>(
  schema: T,
  asked: Promise<{ status: number; body: unknown }>,
): Promise<z.infer<T>> {
  const { status, body } = await asked;
  expect({ status, body }).toMatchObject({ status: 200 });
  return schema.parse(body) as z.infer<T>;
}

describe('changes', () => {
  test('are applied, listed, described, compared and rolled back', async () => {
    const applied = await good(
      schemas.applyReplySchema,
      at.post('/v1/apply', { resources: [service('web'), retries('calm', 'web')], message: 'first', author: 'ann' }),
    );
    expect(applied).toMatchObject({ revision: 1, dryRun: false });
    await good(schemas.applyReplySchema, at.post('/v1/apply', { resources: [retries('calm', 'web', { retries: 5 })] }));

    const { resources } = await good(schemas.resourcesReplySchema, at.get('/v1/resources?kind=RetryPolicy'));
    expect(resources).toEqual([
      { ...retries('calm', 'web', { retries: 5 }), metadata: { name: 'calm', namespace: 'default' } },
    ]);

    const { revisions } = await good(schemas.revisionsReplySchema, at.get('/v1/revisions'));
    expect(revisions.map(({ revision, author, message }) => `${revision} ${author} ${message}`)).toEqual([
      '1 ann first',
      '2 unknown ',
    ]);
    const second = await good(schemas.revisionSchema, at.get('/v1/revisions/2'));
    expect(second.changes[0]!.fields).toEqual([{ path: 'spec.retries', before: 3, after: 5 }]);

    const { changes } = await good(schemas.diffReplySchema, at.get('/v1/diff?from=1'));
    expect(changes).toEqual(second.changes);

    const back = await good(schemas.applyReplySchema, at.post('/v1/rollback', { to: 1, author: 'ann' }));
    expect(back).toMatchObject({ revision: 3, changes: [{ op: 'update' }] });
    expect((await good(schemas.diffReplySchema, at.get('/v1/diff?from=1&to=3'))).changes).toEqual([]);
  });

  test('what is read can be applied again and changes nothing', async () => {
    const written = [
      service('web'),
      service('cart'),
      route('to', 'web', 'cart'),
      retries('calm', 'web', { backoff: { base: '1s' } }),
    ];
    await good(schemas.applyReplySchema, at.post('/v1/apply', { resources: written }));
    const { resources } = await good(schemas.resourcesReplySchema, at.get('/v1/resources'));
    const again = await good(schemas.applyReplySchema, at.post('/v1/apply', { resources }));
    expect(again).toEqual({ revision: 1, changes: [], dryRun: false });
  });

  test('are filtered by kind, namespace and name, and shown as they take effect', async () => {
    const mesh = { ...retries('all', 'x'), spec: { targetRefs: [{ kind: 'Mesh' }], retries: 1, bufferBytes: 10 } };
    await at.post('/v1/apply', { resources: [service('web'), service('web', 'shop'), mesh, retries('calm', 'web')] });
    const names = async (query: string) =>
      (await good(schemas.resourcesReplySchema, at.get(`/v1/resources?${query}`))).resources.map(
        ({ metadata: { namespace, name } }) => `${namespace}/${name}`,
      );
    expect(await names('kind=Service')).toEqual(['default/web', 'shop/web']);
    expect(await names('kind=Service&namespace=shop')).toEqual(['shop/web']);
    expect(await names('name=calm')).toEqual(['default/calm']);
    expect(await names('kind=Nothing')).toEqual([]);

    const { effective } = await good(
      schemas.resourcesReplySchema,
      at.get('/v1/resources?kind=RetryPolicy&namespace=default&name=web&effective=true'),
    );
    expect(effective).toHaveLength(1);
    const origins = Object.fromEntries(effective![0]!.fields.map(({ path, value, origin }) => [path, [value, origin]]));
    expect(origins).toMatchObject({
      retries: [3, 'RetryPolicy default/calm'],
      bufferBytes: [10, 'RetryPolicy default/all'],
      'backoff.base': ['25ms', 'builtin'],
    });
  });

  test('are refused as a whole, with every problem', async () => {
    const { status, body, headers } = await at.post('/v1/apply', {
      resources: [service('Web'), retries('calm', 'nowhere', { retries: -1 })],
      delete: [key('Service', 'gone')],
    });
    expect(status).toBe(422);
    expect(headers['content-type']).toBe('application/problem+json');
    const problem = schemas.problemSchema.parse(body);
    expect(problem.code).toBe('INVALID');
    expect(problem.issues!.map(({ resource, path }) => `${resource ?? '-'} ${path}`)).toEqual([
      '0 metadata.name',
      '1 spec.retries',
      '- delete[0]',
    ]);
    expect(at.store.current().revision).toBe(0);
  });

  test('of many callers at once are all there in the end', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `s${i}`);
    const replies = await Promise.all(names.map((name) => at.post('/v1/apply', { resources: [service(name)] })));
    expect(replies.map(({ status }) => status)).toEqual(names.map(() => 200));
    expect(new Set(replies.map(({ body }) => body.revision)).size).toBe(30);
    expect(at.store.current().resources.size).toBe(30);
  });

  test('of callers that expect the same revision: one is done, the others get 409', async () => {
    const replies = await Promise.all(
      ['a', 'b', 'c'].map((name) => at.post('/v1/apply', { resources: [service(name)], expectRevision: 0 })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(replies.find(({ status }) => status === 409)!.body).toMatchObject({ code: 'CONFLICT' });
    expect(at.store.current().revision).toBe(1);
  });

  test('pages of the log', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await at.post('/v1/apply', { resources: [service(name)] });
    const page = async (query: string) =>
      (await good(schemas.revisionsReplySchema, at.get(`/v1/revisions${query}`))).revisions.map(
        ({ revision }) => revision,
      );
    expect(await page('?limit=2')).toEqual([3, 4]);
    expect(await page('?from=2&limit=2')).toEqual([2, 3]);
    expect(await page('?to=2')).toEqual([1, 2]);
    expect(await page('?from=3&to=99')).toEqual([3, 4]);
    expect(await page('?from=9')).toEqual([]);
    expect(await page('?limit=0')).toEqual([]);
  });
});

describe('what runs', () => {
  test('services are those that are declared and those that have endpoints', async () => {
    await at.post('/v1/apply', { resources: [service('web')] });
    at.addEndpoint('default/cart', endpoint('cart-1', 9000));
    const { services } = await good(schemas.servicesReplySchema, at.get('/v1/services'));
    expect(services).toMatchObject([
      { name: 'cart', ports: [], endpoints: [{ id: 'cart-1', port: 9000, source: 'sidecar' }] },
      { name: 'web', ports: [{ port: 80, protocol: 'http' }], endpoints: [] },
    ]);
    expect((await at.post('/v1/apply', { resources: [retries('calm', 'cart')] })).status).toBe(200);
  });

  test('proxies, convergence, edges and status', async () => {
    at.addProxy(proxy('cart-1', ''));
    expect((await good(schemas.proxiesReplySchema, at.get('/v1/proxies'))).proxies).toHaveLength(1);
    expect(await good(schemas.convergenceSchema, at.get('/v1/convergence?revision=0'))).toMatchObject({
      converged: false,
    });
    expect(await good(schemas.edgesReplySchema, at.get('/v1/edges'))).toEqual({ edges: [] });
    expect(await good(schemas.statusSchema, at.get('/v1/status'))).toMatchObject({ store: 'embedded', sidecars: 1 });
  });

  test('a join token is made for one identity', async () => {
    const reply = await good(schemas.tokenReplySchema, at.post('/v1/tokens', { service: 'cart', ttlSeconds: 60 }));
    expect(reply.identity).toBe('spiffe://mesh.local/ns/default/sa/cart');
    const refused = await at.post('/v1/tokens', { service: 'control-plane', namespace: 'weft' });
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    const named = await at.post('/v1/tokens', { service: 'Cart/..', namespace: '' });
    expect(named).toMatchObject({ status: 400, body: { issues: [{ path: 'service' }, { path: 'namespace' }] } });
  });

  test('probes', async () => {
    expect((await at.get('/healthz')).body).toEqual({ status: 'alive' });
    expect((await at.get('/readyz')).body).toEqual({ status: 'ready' });
  });
});

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
    ['a broken escape', 'GET', '/v1/proxies/%ZZ/admin/ready', 400, 'BAD_REQUEST'],
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
    ['a sidecar that is not there', 'GET', '/v1/proxies/x/admin/ready', 404, 'NOT_FOUND'],
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

test('a second API on the same port is refused in one line', async () => {
  await expect(startTestApi({ address: at.api.address })).rejects.toThrow(/^127\.0\.0\.1:\d+ is taken: /);
});
