/** Both ends of the config stream over a real connection, with a real store. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ManualClock, manualClock, systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { type Discovery, type DiscoveryOptions, startDiscovery } from '../../sidecar/snapshot/discovery.ts';
import { openDisk } from '../../sidecar/snapshot/disk.ts';
import type { Inputs } from '../../sidecar/snapshot/inputs.ts';
import { aPolicy, aRoute, aService, atService, key } from '../harness/discovery-fixtures.ts';
import { type DiscoveryServer, startDiscoveryServer } from '../harness/discovery-server.ts';
import { until } from '../harness/until.ts';

let mesh: DiscoveryServer;
let sidecars: Discovery[];
let dir: string;
beforeEach(async () => {
  sidecars = [];
  dir = await mkdtemp(join(tmpdir(), 'weft-sidecar-'));
  mesh = await startDiscoveryServer();
});
afterEach(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.close()));
  await mesh.close();
  await rm(dir, { recursive: true });
});

/** A sidecar that accepts whatever does not say `bad`, and remembers what it was given. */
function sidecar(service = 'web', options: Partial<DiscoveryOptions> = {}) {
  const accepted: Inputs[] = [];
  const roots: string[] = [];
  const discovery = startDiscovery({
    channel: () => mesh.channel(service),
    hello: {
      namespace: 'default',
      service,
      instance: `${service}-1`,
      inbound: { address: '10.1.1.1', port: 15006 },
      admin: '127.0.0.1:15000',
      version: '0.1.0',
    },
    accept: async (inputs) => {
      const text = JSON.stringify([...inputs.resources.values()]);
      if (text.includes('"bad"')) return [{ path: 'spec.value', message: 'must not be bad', resource: 0 }];
      accepted.push(inputs);
      return [];
    },
    subscriptions: [],
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    onRoots: (ders) => void roots.push(...ders.map((der) => Buffer.from(der).toString())),
    ...options,
  });
  sidecars.push(discovery);
  return { discovery, accepted, roots, last: () => accepted.at(-1)! };
}

const proxy = (instance = 'web-1') => mesh.service.proxies().find((found) => found.instance === instance);
const converged = (revision: number) =>
  until(`revision ${revision} is everywhere`, () => mesh.service.convergence(revision).converged);
const endpointsOf = (inputs: Inputs, service: string) => [...(inputs.endpoints.get(key(service))?.keys() ?? [])];

test('the first push is complete, and each later one changes what it says and nothing else', async () => {
  await mesh.apply(aService('web'), aService('cart'), aRoute('r', ['cart'], ['cart-v2']));
  mesh.registry.add('cart', 'c1');
  const { discovery, accepted, roots, last } = sidecar('web', { subscriptions: [key('cart')] });
  await discovery.synced;
  expect([...last().resources.keys()].sort()).toEqual([
    'HTTPRoute default/r',
    'Service default/cart',
    'Service default/web',
  ]);
  expect(last().resources.get('HTTPRoute default/r')?.spec).toEqual({ parents: ['cart'], backends: ['cart-v2'] });
  expect(last()).toMatchObject({ revision: 1, absent: new Set([key('cart-v2')]) });
  expect(endpointsOf(last(), 'cart')).toEqual(['c1']);
  expect(roots).toEqual(['a root']);

  const before = last();
  mesh.registry.add('cart', 'c2');
  await until('the endpoint is there', () => endpointsOf(last(), 'cart').length === 2);
  expect(endpointsOf(before, 'cart')).toEqual(['c1']);
  expect(last().resources).toBe(before.resources);
  expect(last().endpoints.get(key('web'))).toBe(before.endpoints.get(key('web')));

  await mesh.remove(aRoute('r', [], []));
  await until('the route is gone', () => last().resources.size === 2);
  expect(last()).toMatchObject({ revision: 2, absent: new Set() });
  expect(accepted).toHaveLength(3);
  expect(discovery.status()).toMatchObject({ connected: true, revision: 2, lastNack: undefined });
});

test('subscribing resolves when the service is there, or known to be absent; once created, it comes by itself', async () => {
  await mesh.apply(aService('web'), aService('cart'));
  const { discovery, last } = sidecar();
  await discovery.synced;
  await Promise.all([discovery.subscribe(key('cart')), discovery.subscribe(key('ghost'))]);
  expect(endpointsOf(last(), 'cart')).toEqual([]);
  expect(last().endpoints.has(key('cart'))).toBe(true);
  expect(last().absent).toEqual(new Set([key('ghost')]));
  await discovery.subscribe(key('ghost'));
  await discovery.subscribe('no name/of a service');
  await mesh.apply(aService('ghost'));
  await until('it is there', () => last().endpoints.has(key('ghost')));
  expect(last().absent).toEqual(new Set());
});

test('readiness makes the instance an endpoint, and leaving takes it out at once', async () => {
  const { discovery } = sidecar();
  await discovery.synced;
  discovery.setReady(true);
  await until('it is an endpoint', () => mesh.registry.endpoints(key('web')).length === 1);
  await discovery.close();
  await until('it is none', () => mesh.registry.endpoints(key('web')).length === 0);
  expect(proxy()?.state).toBe('disconnected');
});

test('what cannot be compiled is refused with its problems, and what ran goes on', async () => {
  await mesh.apply(aPolicy('p', atService('web'), 'fine'));
  const { discovery, accepted } = sidecar();
  await discovery.synced;
  await mesh.apply(aPolicy('p', atService('web'), 'bad'));
  await until('it is refused', () => proxy()?.state === 'rejected');
  expect(proxy()).toMatchObject({
    revision: 1,
    problems: [{ path: 'RetryPolicy default/p spec.value', message: 'must not be bad' }],
  });
  expect(discovery.status().lastNack?.problems).toHaveLength(1);
  mesh.registry.add('web', 'w2');
  await until('endpoints still come', () => endpointsOf(accepted.at(-1)!, 'web').includes('w2'));
  expect(accepted.at(-1)?.revision).toBe(1);
  await converged(await mesh.apply(aPolicy('p', atService('web'), 'fine again')));
  expect(discovery.status()).toMatchObject({ revision: 3, lastNack: undefined });
});

test('a compiler that throws is a push refused, not a sidecar lost', async () => {
  const { discovery } = sidecar('web', { accept: () => Promise.reject(new Error('boom')) });
  await until('it is refused', () => proxy()?.problems[0]?.message.includes('boom') ?? false);
  expect(discovery.status().connected).toBe(true);
});

describe('a control plane that is restarted', () => {
  const restart = async () => {
    const { dir: stateDir, port } = mesh;
    await mesh.stop();
    return async () => {
      mesh = await startDiscoveryServer({ dir: stateDir, port });
    };
  };

  test('finds its sidecars again, and sends nothing that they have', async () => {
    await mesh.apply(aService('web'), aService('cart'));
    const { discovery, accepted, roots, last } = sidecar('web', { subscriptions: [key('cart')] });
    await discovery.synced;
    discovery.setReady(true);
    await until('its endpoint has come around', () => endpointsOf(last(), 'web').length === 1);
    const before = last();
    const start = await restart();
    await until('the end is seen', () => !discovery.status().connected);
    await start();
    await until('it is back', () => proxy()?.state === 'synced');
    expect(accepted.slice(accepted.indexOf(before) + 1).every((inputs) => inputs.resources === before.resources)).toBe(
      true,
    );
    expect(last().endpoints.get(key('cart'))).toBe(before.endpoints.get(key('cart')));
    expect(roots).toEqual(['a root']);
    await converged(await mesh.apply(aService('cart', { changed: true })));
    expect(last().revision).toBe(2);
  });

  test('is tried again with waits that grow to 30 s at most', async () => {
    await mesh.stop();
    const clock: ManualClock = manualClock();
    const waits: number[] = [];
    const log = {
      ...silentLog,
      warn: (_event: string, fields?: object) => void waits.push((fields as { retryMs: number }).retryMs),
    };
    sidecar('web', { clock, log, random: { unit: () => 1, below: () => 0 } });
    for (let tries = 1; tries <= 11; tries++) {
      await until('an attempt has failed', () => waits.length === tries);
      clock.advance(waits.at(-1)!);
    }
    await until('the last attempt has failed', () => waits.length === 12);
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
    mesh = await startDiscoveryServer({ dir: mesh.dir });
  });

  test('may come back with an older log: then everything is taken anew', async () => {
    await mesh.close();
    const clock = manualClock();
    mesh = await startDiscoveryServer({ clock });
    await mesh.apply(aService('web'));
    await mesh.apply(aPolicy('p', atService('web')));
    const { discovery, last } = sidecar();
    await discovery.synced;
    expect(last().revision).toBe(2);
    const { port } = mesh;
    await mesh.close();
    mesh = await startDiscoveryServer({ clock, port });
    await mesh.apply(aService('web', { older: true }));
    await until('it is back', () => proxy() !== undefined);
    clock.advance(10_000);
    await until('it has the older log', () => last().revision === 1);
    expect([...last().resources.keys()]).toEqual(['Service default/web']);
  });
});

describe('without a control plane', () => {
  test('a sidecar goes on from its disk, with what it was subscribed to', async () => {
    const owner = 'spiffe://weft.test/ns/default/sa/web';
    const disk = () => openDisk({ file: join(dir, 'inputs.json'), owner, clock: systemClock, log: silentLog });
    await mesh.apply(aService('cart'));
    const first = disk();
    const one = sidecar('web', { disk: first });
    await one.discovery.synced;
    await one.discovery.subscribe(key('cart'));
    await one.discovery.close();
    await first.close();
    await mesh.stop();

    const second = disk();
    const two = sidecar('web', { disk: second });
    await two.discovery.synced;
    expect(two.last()).toEqual(one.last());
    expect(two.discovery.status()).toMatchObject({ connected: false, revision: 1 });
    mesh = await startDiscoveryServer({ dir: mesh.dir });
    await until('it is connected', () => proxy()?.state === 'synced');
    expect(two.last().resources.has('Service default/cart')).toBe(true);
    await two.discovery.close();
    await second.close();
  });

  test('nobody waits for a subscription for longer than 5 s', async () => {
    const clock = manualClock();
    const { discovery } = sidecar('web', { clock, channel: () => undefined });
    const answer = discovery.subscribe(key('cart'));
    clock.advance(5000);
    await answer;
  });

  test('one that takes connections and says nothing is given up after 20 s', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined).resume()));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address() as { port: number };
    const clock = manualClock();
    let real = false;
    const { discovery } = sidecar('web', {
      clock,
      channel: () => (real ? mesh.channel('web') : { ...mesh.channel('web'), target: `127.0.0.1:${address.port}` }),
    });
    await until('it has connected', () => sockets.length === 1);
    real = true;
    clock.advance(20_000);
    clock.advance(100);
    await discovery.synced;
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});

test('a thousand names that do not exist leave room for those that do', async () => {
  await mesh.apply(aService('cart'), aService('stock'));
  const { discovery, last } = sidecar('web', { subscriptions: [key('cart')] });
  await discovery.synced;
  await Promise.all(Array.from({ length: 999 }, (_, i) => discovery.subscribe(key(`ghost-${i}`))));
  expect(last().absent.size).toBeGreaterThanOrEqual(999);
  await discovery.subscribe(key('stock'));
  expect(last().endpoints.has(key('stock'))).toBe(true);
  expect(last().endpoints.has(key('cart'))).toBe(true);
});
