import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store } from '../store/store.ts';
import { put, remove, resource } from '../store/store-contract.ts';
import { mergeSources } from './merge.ts';
import { sidecarSource } from './sources/sidecar.ts';
import { staticSource } from './sources/static.ts';

const identity = 'spiffe://mesh.local/ns/default/sa/web';
const web = { id: 'web-1', address: '10.0.0.1', port: 15006, weight: 1, identity, locality: 'zone-a' };

let dir: string;
let store: Store;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-registry-'));
  store = await openEmbeddedStore({ dir: join(dir, 'state'), clock: systemClock, log: silentLog });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

const service = (...endpoints: readonly object[]) => resource('web', { ports: [{ port: 80 }], endpoints });
const at = (port: number, more: object = {}) => ({ address: '127.0.0.1', port, weight: 1, ...more });

test('a Service resource brings its endpoints, plain text where it names no identity', async () => {
  await store.append(0, put(service(at(9000), at(9001, { weight: 3, identity }))));
  const source = staticSource(store);
  expect(source.services()).toEqual(['default/web']);
  expect(source.endpoints('default/web')).toMatchObject([
    { address: '127.0.0.1', port: 9000, weight: 1, identity: '', source: 'static' },
    { address: '127.0.0.1', port: 9001, weight: 3, identity, source: 'static' },
  ]);
  expect(new Set(source.endpoints('default/web').map(({ id }) => id)).size).toBe(2);
  await source.close();
});

test('a revision changes static endpoints, and only a real change is told', async () => {
  const source = staticSource(store);
  const told: string[] = [];
  source.subscribe((name) => told.push(`${name} ${source.endpoints(name).length}`));
  await store.append(0, put(service(at(9000))));
  await store.append(1, put(service(at(9000)), resource('other', { ports: [], endpoints: [] })));
  await store.append(2, put(service(at(9000), at(9001))));
  await store.append(3, remove('web'));
  expect(told).toEqual(['default/web 1', 'default/web 2', 'default/web 0']);
  expect(source.services()).toEqual([]);
  await source.close();
  await store.append(4, put(service(at(9000))));
  expect(told).toHaveLength(3);
});

test('the endpoints of sidecars come and go, with a version that follows their content', () => {
  const source = sidecarSource();
  const told: string[] = [];
  const end = source.subscribe((name) => told.push(name));
  source.put('default/web', web);
  source.put('default/web', { ...web });
  const [{ version } = { version: '' }] = source.endpoints('default/web');
  source.put('default/web', { ...web, weight: 2 });
  expect(source.endpoints('default/web')[0]!.version).not.toBe(version);
  source.remove('default/web', 'another');
  expect(told).toHaveLength(2);
  source.remove('default/web', 'web-1');
  expect(source.endpoints('default/web')).toEqual([]);
  end();
  source.put('default/web', web);
  expect(told).toEqual(['default/web', 'default/web', 'default/web']);
});

test('an endpoint that two sources know by one id counts once, the earlier source winning', async () => {
  const [first, second] = [sidecarSource(), sidecarSource()];
  const registry = mergeSources([first, second, staticSource(store)]);
  const told: string[] = [];
  registry.subscribe((name) => told.push(name));
  first.put('default/web', web);
  second.put('default/web', { ...web, address: '10.0.0.9' });
  second.put('default/cart', { ...web, id: 'cart-1' });
  await store.append(0, put(service(at(9000))));
  expect(registry.endpoints('default/web').map(({ address }) => address)).toEqual(['10.0.0.1', '127.0.0.1']);
  expect(registry.services()).toEqual(['default/cart', 'default/web']);
  expect(registry.endpoints('default/nobody')).toEqual([]);
  expect(told).toEqual(['default/web', 'default/web', 'default/cart', 'default/web']);
  await registry.close();
});
