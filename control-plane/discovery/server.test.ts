import { status } from '@grpc/grpc-js';
import { manualClock } from '../../lib/clock.ts';
import { aPolicy, aService, atService, key } from '../../test/harness/discovery-fixtures.ts';
import { type DiscoveryServer, startDiscoveryServer } from '../../test/harness/discovery-server.ts';
import { rawSidecar } from '../../test/harness/raw-sidecar.ts';
import { until } from '../../test/harness/until.ts';

const clock = manualClock();
let mesh: DiscoveryServer;
const opened: { close(): void }[] = [];
const start = async (options: Parameters<typeof startDiscoveryServer>[0] = {}) => {
  mesh = await startDiscoveryServer({ clock, ...options });
};
afterEach(async () => {
  for (const each of opened.splice(0)) each.close();
  await mesh.close();
});

const names = (...services: string[]) => services.map((name) => ({ namespace: 'default', name }));

function sidecar(service: string) {
  const raw = rawSidecar(mesh, service);
  opened.push(raw.client);
  return raw;
}
const proxy = (instance: string) => mesh.service.proxies().find((found) => found.instance === instance);
const synced = (instance: string) => until(`${instance} is synced`, () => proxy(instance)?.state === 'synced');

describe('an instance is an endpoint', () => {
  const ids = (service: string) => mesh.registry.endpoints(key(service)).map(({ id }) => id);

  test('while it is ready and connected, under the identity that it proved', async () => {
    await start();
    const web = sidecar('web').hello();
    await web.ack();
    expect(ids('web')).toEqual([]);
    web.call.write({ state: { ready: true } });
    await until('it is an endpoint', () => ids('web').length === 1);
    expect(mesh.registry.endpoints(key('web'))[0]).toMatchObject({
      id: 'web-1',
      address: '10.1.1.1',
      port: 15006,
      identity: 'spiffe://weft.test/ns/default/sa/web',
    });
    web.call.write({ state: { ready: false, reason: 'the app is\u001b[31m away' } });
    await until('it is none', () => ids('web').length === 0);
    expect(mesh.service.proxies()).toMatchObject([{ ready: false, reason: 'the app is?[31m away' }]);
  });

  test('once, when it starts again where it was before anybody has seen its end', async () => {
    await start();
    const before = sidecar('web').hello({ ready: true });
    await before.ack();
    before.call.cancel();
    await before.over();
    expect(ids('web')).toEqual(['web-1']);
    const after = sidecar('web').hello({ instance: 'web-2', ready: false });
    await after.ack();
    expect(ids('web')).toEqual(['web-1']);
    after.call.write({ state: { ready: true } });
    await until('it has taken its place', () => ids('web').join() === 'web-2');
  });

  test('no longer when it says goodbye', async () => {
    await start();
    const web = sidecar('web').hello({ ready: true });
    await web.ack();
    expect(ids('web')).toEqual(['web-1']);
    web.call.write({ state: { ready: false } });
    web.call.end();
    await web.over();
    expect(ids('web')).toEqual([]);
  });

  test('for the grace period when its connection breaks, and on when it is back in time', async () => {
    await start();
    const broken = async () => {
      const web = sidecar('web').hello({ ready: true });
      await web.ack();
      web.client.close();
      web.call.cancel();
      await until('it is gone', () => proxy('web-1')?.connected === false);
    };
    await broken();
    clock.advance(4999);
    expect(ids('web')).toEqual(['web-1']);
    await broken();
    clock.advance(4999);
    expect(ids('web')).toEqual(['web-1']);
    clock.advance(1);
    expect(ids('web')).toEqual([]);
  });

  test('where its stream comes from when it listens on every address', async () => {
    await start();
    await sidecar('web').hello({ inboundAddress: '0.0.0.0', ready: true }).ack();
    expect(mesh.registry.endpoints(key('web'))[0]?.address).toBe('127.0.0.1');
  });

  test('once, when it connects again before the end of its old stream is seen', async () => {
    await start();
    const old = sidecar('web').hello({ ready: true });
    await old.ack();
    await sidecar('web').hello({ ready: true }).ack();
    expect(await old.over()).toMatchObject({ code: status.UNAVAILABLE });
    clock.advance(60_000);
    expect(ids('web')).toEqual(['web-1']);
    expect(mesh.service.proxies()).toHaveLength(1);
  });
});

test('endpoints that have not come back to a control plane that just started are not taken away', async () => {
  await start({ settleMs: 45_000 });
  const held = (...held: string[]) => [
    { service: names('cart')[0]! },
    ...held.map((id) => ({ service: names('cart')[0]!, id, version: 'v' })),
  ];
  const subscriptions = names('cart');
  const web = sidecar('web').hello({ subscriptions, revision: 1, endpoints: held('cart-1', 'cart-2', 'cart-3') });
  await mesh.apply(aService('web'));
  expect(await web.ack()).toMatchObject({ absent: [], full: false, removed: [] });
  const cart = sidecar('cart').hello({ ready: true });
  await cart.ack();
  clock.advance(10);
  expect((await web.ack()).endpoints).toMatchObject([{ added: [{ id: 'cart-1' }], removed: [] }]);
  cart.call.write({ state: { ready: false } }); // this one has spoken
  await until('it is out', () => mesh.registry.endpoints(key('cart')).length === 0);
  clock.advance(10);
  expect((await web.ack()).endpoints).toMatchObject([{ added: [], removed: ['cart-1'] }]);
  clock.advance(45_000);
  expect(await web.ack()).toMatchObject({ absent: names('cart') });
});

test('a sidecar that does not read keeps nobody waiting, and gets the latest in one push', async () => {
  await start();
  const padding = 'x'.repeat(100_000);
  await mesh.apply(aService('cart', { padding }));
  const stalled = sidecar('stalled').hello({ subscriptions: names('cart') }, true);
  const web = sidecar('web').hello({ subscriptions: names('cart') });
  await web.ack();
  await until('both are known', () => mesh.service.proxies().length === 2);
  for (let i = 0; i < 50; i++) {
    const revision = await mesh.apply(aService('cart', { padding, i }));
    expect((await web.ack()).revision).toBe(revision);
  }
  await synced('web-1');
  expect(proxy('stalled-1')).toMatchObject({ state: 'pending', revision: 0 });
  const { converged, waiting } = mesh.service.convergence(51);
  expect([converged, waiting.map(({ instance }) => instance)]).toEqual([false, ['stalled-1']]);
  stalled.listen();
  expect((await stalled.ack()).revision).toBe(1);
  expect((await stalled.ack()).revision).toBe(51);
  await synced('stalled-1');
  expect(mesh.service.convergence(51)).toEqual({ revision: 51, converged: true, waiting: [] });
});

test('a refused push is shown with its reasons and holds up convergence until it is put right', async () => {
  await start();
  const web = sidecar('web').hello();
  await web.ack();
  const revision = await mesh.apply(aPolicy('p', atService('web'), 'bad'));
  const { nonce } = await web.next();
  const problems = [
    { key: { kind: 'RetryPolicy', namespace: 'default', name: 'p' }, path: 'spec.value', message: 'no' },
  ];
  web.call.write({ nack: { nonce, problems } });
  await until('it is shown', () => proxy('web-1')?.state === 'rejected');
  expect(proxy('web-1')).toMatchObject({
    revision: 0,
    problems: [{ path: 'RetryPolicy default/p spec.value', message: 'no' }],
  });
  expect(mesh.service.convergence(revision).converged).toBe(false);
  await mesh.apply(aPolicy('p', atService('web'), 'good'));
  expect((await web.ack()).resources.map((found) => found.key?.name)).toEqual(['p']);
  await synced('web-1');
  expect(mesh.service.convergence(revision).converged).toBe(true);
});

test('revisions that do not concern a sidecar count as run, without a push', async () => {
  await start();
  const web = sidecar('web').hello();
  await web.ack();
  await synced('web-1');
  const revision = await mesh.apply(aPolicy('p', atService('other')));
  expect(proxy('web-1')).toMatchObject({ state: 'synced', revision });
  expect(mesh.service.convergence(revision).converged).toBe(true);
  expect(mesh.service.convergence(revision + 1).converged).toBe(false);
  expect(web.pushes).toHaveLength(1);
});

test('a sidecar that is ahead waits for the log, and gets everything anew when the log stays behind', async () => {
  await start();
  await mesh.apply(aService('web'));
  const version = mesh.store.current().resources.size === 1 ? 'other' : '';
  const resources = [{ key: { kind: 'Service', namespace: 'default', name: 'web' }, version }];
  const ahead = sidecar('web').hello({ revision: 2, resources });
  await until('it is known', () => proxy('web-1') !== undefined);
  await mesh.apply(aService('web', { ports: [] }));
  expect(await ahead.ack()).toMatchObject({ revision: 2, full: false });

  const restored = sidecar('web').hello({ revision: 9, resources, instance: 'web-2' });
  await until('it is known', () => proxy('web-2') !== undefined);
  clock.advance(10_000);
  expect(await restored.ack()).toMatchObject({ revision: 2, full: true, resources: [{ key: { name: 'web' } }] });
});

test('sidecars that have gone are listed for an hour', async () => {
  await start();
  const web = sidecar('web').hello({ ready: true, weftVersion: '1.2.3' });
  await web.ack();
  let told = 0;
  mesh.service.subscribe(() => told++);
  web.call.end();
  await web.over();
  clock.advance(10);
  expect(told).toBe(1);
  expect(proxy('web-1')).toMatchObject({ connected: false, ready: false, state: 'disconnected', version: '1.2.3' });
  clock.advance(3_600_001);
  expect(mesh.service.proxies()).toEqual([]);
});

test('a sidecar that no longer calls a service hears nothing of it', async () => {
  await start();
  await mesh.apply(aService('cart'));
  const web = sidecar('web').hello({ subscriptions: names('cart') });
  await web.ack();
  web.call.write({ subscribe: { services: [] } });
  expect(await web.ack()).toMatchObject({ endpoints: [{ service: { name: 'cart' }, dropped: true }] });
  await mesh.apply(aService('cart', { changed: true }));
  mesh.registry.add('cart', 'c');
  clock.advance(1000);
  await mesh.apply(aService('web'));
  expect(await web.ack()).toMatchObject({
    resources: [{ key: { name: 'web' } }],
    endpoints: [{ service: { name: 'web' } }],
  });
});
