import type { z } from 'zod';
import * as schemas from '../../proto/api/api.ts';
import { key, retries, route, service } from '../admit/examples.ts';
import { endpoint, proxy, startTestApi, type TestApi } from './test-api.ts';

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

test('a second API on the same port is refused in one line', async () => {
  await expect(startTestApi({ address: at.api.address })).rejects.toThrow(/^127\.0\.0\.1:\d+ is taken: /);
});
