import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store } from '../store/store.ts';
import { openJoined } from './joined.ts';
import type { Declared, SidecarSource } from './registry.ts';
import { sidecarSource } from './sources/sidecar.ts';

let dir: string;
let store: Store;
let clock: ManualClock;
let lines: Record<string, unknown>[];
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-joined-'));
  clock = manualClock();
  lines = [];
  store = await openEmbeddedStore({ dir, clock, log });
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

const log = jsonLog({ write: (line) => void lines.push(JSON.parse(line)) });
const instance = (id: string, declared?: Declared) => ({
  ...{ id, address: '10.0.0.1', port: 15006, weight: 1, identity: '', locality: '' },
  declared,
});
const grpc: Declared = { port: 50051, protocol: 'grpc' };

async function open(sidecars: SidecarSource = sidecarSource()) {
  const joined = await openJoined({ sources: sidecars, sidecars, vault: store.vault, clock, log });
  opened.push(joined);
  return { sidecars, joined };
}

test('a service that has joined is there, ready or not, and stays when its last instance has gone', async () => {
  const { sidecars, joined } = await open();
  const told: string[] = [];
  joined.subscribe((service) => told.push(service));
  sidecars.putUnready('default/web', instance('a', grpc), 'starting');
  expect(joined.services()).toEqual(['default/web']);
  expect(joined.declared('default/web')).toEqual(grpc);
  expect(joined.endpoints('default/web')).toEqual([]);
  sidecars.put('default/web', instance('a', grpc));
  expect(joined.endpoints('default/web')).toHaveLength(1);
  sidecars.remove('default/web', 'a');
  expect(joined.services()).toEqual(['default/web']);
  expect(joined.declared('default/web')).toEqual(grpc);
  expect(told).toEqual(['default/web', 'default/web', 'default/web']);
});

test('it is known after a restart, before anybody has come back, and by other control planes of the store', async () => {
  const first = await open();
  first.sidecars.put('default/web', instance('a', grpc));
  await first.joined.close();
  const { joined } = await open();
  expect(joined.services()).toEqual(['default/web']);
  expect(joined.declared('default/web')).toEqual(grpc);
});

test('it is forgotten when nobody has been there for an hour, also in the store', async () => {
  const { sidecars, joined } = await open();
  sidecars.put('default/web', instance('a', grpc));
  for (let n = 0; n < 90; n++) clock.advance(60_000);
  expect(joined.services()).toEqual(['default/web']);
  sidecars.remove('default/web', 'a');
  for (let n = 0; n < 59; n++) clock.advance(60_000);
  expect(joined.services()).toEqual(['default/web']);
  for (let n = 0; n < 2; n++) clock.advance(60_000);
  expect(joined.services()).toEqual([]);
  await joined.close();
  expect((await open()).joined.services()).toEqual([]);
});

test('instances that say different things are told of once, and all control planes choose alike', async () => {
  const { sidecars, joined } = await open();
  sidecars.put('default/web', instance('b', { port: 80, protocol: '' }));
  sidecars.put('default/web', instance('a', { port: 8080, protocol: 'http' }));
  sidecars.put('default/web', instance('c', { port: 80, protocol: '' }));
  expect(joined.declared('default/web')).toEqual({ port: 8080, protocol: 'http' });
  expect(lines).toMatchObject([
    { event: 'registry.instances_disagree', service: 'default/web', used: '8080 http', others: '80' },
  ]);
});

test('an instance that does not say what it speaks does not contradict one that does', async () => {
  const { sidecars, joined } = await open();
  sidecars.put('default/web', instance('a', { port: 50051, protocol: '' }));
  sidecars.put('default/web', instance('b', grpc));
  expect(joined.declared('default/web')).toEqual(grpc);
  expect(lines).toEqual([]);
});

test('what is in the store and not ours is passed over', async () => {
  await store.vault.put('joined/default/web', Buffer.from('{'), 0);
  await store.vault.put('joined/default/api', Buffer.from('{"port":0}'), 0);
  expect((await open()).joined.services()).toEqual([]);
});
