import { ask, endpoint, proxy, startTestApi, type TestApi } from './test-api.ts';

let at: TestApi;
beforeEach(async () => {
  at = await startTestApi();
});
afterEach(() => at.close());

test('Prometheus finds the control plane and every connected sidecar where it has asked', async () => {
  at.addProxy(proxy('cart-1', '127.0.0.1:15006'));
  at.addProxy({ ...proxy('web-1', '127.0.0.1:15006'), namespace: 'shop', service: 'web' });
  at.addProxy({ ...proxy('gone', '127.0.0.1:15006'), connected: false, state: 'disconnected' });
  const answer = await at.get('/v1/prometheus/targets', { host: 'localhost:7080' });
  // It takes no other media type.
  expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
  expect(answer.body).toEqual([
    { targets: ['localhost:7080'], labels: { __metrics_path__: '/metrics', component: 'control-plane' } },
    {
      targets: ['localhost:7080'],
      labels: {
        __metrics_path__: '/v1/proxies/default/cart/cart-1/admin/metrics',
        component: 'sidecar',
        workload: 'default/cart',
        instance: 'cart-1',
      },
    },
    {
      targets: ['localhost:7080'],
      labels: {
        __metrics_path__: '/v1/proxies/shop/web/web-1/admin/metrics',
        component: 'sidecar',
        workload: 'shop/web',
        instance: 'web-1',
      },
    },
  ]);
});

test('a sidecar that another control plane has put into the catalog is found here, too, and once', async () => {
  const identity = 'spiffe://mesh.local/ns/default/sa/cart';
  at.addProxy({ ...proxy('cart-1', '127.0.0.1:1'), connected: false, state: 'disconnected' });
  at.addEndpoint('default/cart', { ...endpoint('cart-1', 15006), identity, source: 'consul' });
  at.addProxy(proxy('cart-2', '127.0.0.1:15006'));
  at.addEndpoint('default/cart', { ...endpoint('cart-2', 15006), identity });
  // Has no sidecar.
  at.addEndpoint('default/legacy', { ...endpoint('legacy-1', 80), identity: '', source: 'consul' });
  const targets = (await at.get('/v1/prometheus/targets')).body as unknown as { labels: { instance?: string } }[];
  expect(targets.map(({ labels }) => labels.instance)).toEqual([undefined, 'cart-1', 'cart-2']);
  const passed = await at.get('/v1/proxies/default/cart/cart-1/admin/ready');
  expect(passed).toMatchObject({ status: 502, body: { detail: expect.stringMatching(/^127\.0\.0\.1:15006: /) } });
  expect((await at.get('/v1/proxies/default/legacy/legacy-1/admin/ready')).status).toBe(404);
});

test.each(['a b', 'a/b', 'a@b', '[::1', 'a:b', 'a:1/../x'])('a target is not made of the Host %p', async (host) => {
  const open = await startTestApi({ address: { host: '0.0.0.0', port: 0 }, token: 'correct-horse' });
  const answer = await open.get('/v1/prometheus/targets', { host, authorization: 'Bearer correct-horse' });
  await open.close();
  expect(answer.status).toBe(400);
});

test('both need the token', async () => {
  const guarded = await startTestApi({ token: 'correct-horse' });
  for (const path of ['/v1/prometheus/targets', '/metrics']) {
    expect((await guarded.get(path)).status).toBe(401);
    expect((await guarded.get(path, { authorization: 'Bearer correct-horse' })).status).toBe(200);
  }
  await guarded.close();
});

test('metrics come in the text format, and every answer is counted', async () => {
  const answer = await at.get('/metrics');
  expect(answer.text).toContain('weft_x 1\n');
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  await at.get('/nowhere');
  await ask(at.port, 'POST', '/metrics', {});
  expect(at.statuses).toEqual([200, 404, 405]);
});
