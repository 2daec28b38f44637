import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { appendMany } from '../../test/harness/append-many.ts';
import { type RunningConsul, startConsul } from '../../test/harness/consul.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { startLine } from '../../test/harness/line.ts';
import { closedAfterEach } from '../../test/harness/owned.ts';
import { findTool } from '../../test/harness/tools.ts';
import { openConsulStore } from './consul.ts';
import type { Revision, Store } from './store.ts';
import { put, reached, resource, type StoreCase, storeContract } from './store-contract.ts';

const program = findTool('consul');

(program === undefined ? describe.skip : describe)('on a real Consul', () => {
  let consul: RunningConsul;
  let cases = 0;
  beforeAll(async () => {
    consul = await startConsul(program!);
  }, 30_000);
  afterAll(() => consul.close());

  const owned = closedAfterEach();
  const open = async (address: string, prefix = 'weft'): Promise<Store> =>
    owned(await openConsulStore({ address, prefix, clock: systemClock, log: silentLog }));

  async function openCase(address = consul.address): Promise<StoreCase> {
    const prefix = `case${cases++}`;
    let [store, other] = await Promise.all([open(address, prefix), open(address, prefix)]);
    const close = async (): Promise<void> => {
      await Promise.all([store.close(), other.close()]);
    };
    return {
      get store() {
        return store;
      },
      get other() {
        return other;
      },
      async reopen() {
        await close();
        [store, other] = await Promise.all([open(address, prefix), open(address, prefix)]);
        return store;
      },
      close,
    };
  }

  storeContract('consul', () => openCase());

  test('three writers on three connections append 60 revisions without a gap, and a fourth hears all in order', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(consul.address, 'many')));
    const heard: number[] = [];
    stores[3]!.subscribe((state, { revision }) => heard.push(state.revision === revision ? revision : Number.NaN));
    const all = reached(stores[3]!, 60);
    await Promise.all(stores.slice(0, 3).map((store, n) => appendMany(store, 20, `w${n}-`)));
    expect((await all).resources.size).toBe(60);
    expect(heard).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
  });

  test('opening reads the nearest snapshot, not the whole log, and old snapshots are removed', async () => {
    const store = await open(consul.address, 'snapshots');
    await appendMany(store, 320, 's');
    await store.close();
    const kept = (await consul.api('GET', '/kv/snapshots/snapshots/?keys')) as string[];
    expect(kept.map((key) => Number(key.split('/').at(-1)))).toEqual([200, 300]);
    await consul.api('DELETE', '/kv/snapshots/log/0000000001/?recurse');
    const again = await open(consul.address, 'snapshots');
    expect(again.current().resources.size).toBe(320);
    await expect(again.stateAt(150)).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test.each([
    ['of a newer format', '{"format":2,"revision":3,"uid":"x"}', 'newer Weft (format 2; this one reads 1)'],
    ['of somebody else', 'hello', 'not ours or damaged'],
  ])('a head %s is refused as corrupt', async (name, value, message) => {
    const prefix = name.replaceAll(' ', '-');
    const steps = [{ KV: { Verb: 'set', Key: `${prefix}/head`, Value: Buffer.from(value).toString('base64') } }];
    await consul.api('PUT', '/txn', steps);
    const opening = open(consul.address, prefix);
    await expect(opening).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(message) });
  });

  test('an address that is none, refuses, or is not Consul, is told by its address', async () => {
    await expect(open('what is this')).rejects.toMatchObject({ name: 'RangeError' });
    const refused = `127.0.0.1:${await freePort()}`;
    await expect(open(refused)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(refused),
    });
    const web = createServer((_, response) => response.end('<h1>hello</h1>')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    await expect(open(`127.0.0.1:${(web.address() as AddressInfo).port}`)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('does not answer like Consul'),
    });
    web.close();
  });

  test('an append whose answer is lost has been made, and says so', async () => {
    const line = owned(await startLine(consul.address));
    const store = await open(line.address, 'lost-answer');
    line.cut = 'answer';
    expect((await store.append(0, put(resource('web')))).revision).toBe(1);
    expect(store.current().resources.size).toBe(1);
    expect((await store.append(1, put(resource('cart')))).revision).toBe(2);
  });

  test('an append that is lost on its way is uncertain, and the next one goes on where the log really ends', async () => {
    const line = owned(await startLine(consul.address));
    const store = await open(line.address, 'lost-request');
    line.cut = 'request';
    await expect(store.append(0, put(resource('web')))).rejects.toMatchObject({ code: 'UNCERTAIN' });
    expect(store.current().revision).toBe(0);
    expect((await store.append(0, put(resource('cart')))).revision).toBe(1);
  });

  test('a log that was taken back is not followed: the state stays, and writing stops', async () => {
    const store = await open(consul.address, 'restored');
    const [first] = [await store.append(0, put(resource('web'))), await store.append(1, put(resource('cart')))];
    await consul.api('DELETE', '/kv/restored/?recurse');
    const fresh = await open(consul.address, 'restored');
    await expect(store.append(2, put(resource('x')))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('restart the control planes'),
    });
    await appendMany(fresh, 3, 'other');
    await expect(store.append(2, put(resource('x')))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(store.healthy()).toBe(false);
    expect(store.current()).toMatchObject({ revision: 2 });
    expect(store.current().resources.has('Service default/web')).toBe(first.revision === 1);
  });

  test('with access control it needs its token, and a refusal is told with its reason and without the token', async () => {
    const token = '7d0c5c2e-3c1b-4f0e-9b57-2f3d1c6a9e10';
    const { address } = owned(await startConsul(program!, { token }));
    const common = { address, clock: systemClock, log: silentLog };
    const opening = (more: object): Promise<Store> => openConsulStore({ ...common, ...more });
    for (const each of [{}, { token: 'db1b1ad6-3a44-4f2e-8d0e-5d3a1f6a2b11' }]) {
      const error: unknown = await opening(each).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/403|Permission denied/) });
      expect(String(error)).not.toContain('db1b1ad6');
    }
    const store = owned(await opening({ token }));
    await store.append(0, put(resource('web')));
    expect(await store.vault.put('ca/root', new Uint8Array(3), 0)).toBe(true);
    expect(store.healthy()).toBe(true);
  });

  test('while Consul hangs the state stays, writing fails, and afterwards all goes on', async () => {
    const agent = owned(await startConsul(program!));
    const [store, other] = await Promise.all([open(agent.address), open(agent.address)]);
    await store.append(0, put(resource('web')));
    await reached(other, 1);
    await agent.pause();
    await Promise.all([
      expect(store.append(1, put(resource('cart')))).rejects.toMatchObject({ code: 'UNCERTAIN' }),
      expect(other.vault.get('ca/root')).rejects.toMatchObject({ code: 'UNAVAILABLE' }),
    ]);
    for (const each of [store, other]) {
      expect(each.healthy()).toBe(false);
      expect(each.current().resources.size).toBe(1);
    }
    agent.resume();
    // The append that hung may have been made after all.
    await appendMany(store, 2, 'after');
    const end = store.current().revision;
    expect(end - 1 - 2).toBeLessThanOrEqual(1);
    await reached(other, end);
    expect(store.healthy() && other.healthy()).toBe(true);
    expect(other.current()).toEqual(store.current());
  }, 60_000);

  test('when the server dies and comes back with its data, all goes on without a gap', async () => {
    const agent = owned(await startConsul(program!, { persistent: true }));
    const [store, other] = await Promise.all([open(agent.address), open(agent.address)]);
    const heard: Revision[] = [];
    other.subscribe((_, revision) => heard.push(revision));
    await appendMany(store, 5, 'before');
    await reached(other, 5);
    await agent.kill();
    // On a connection that was open it cannot tell whether the request arrived; on a new one it can.
    const failed = { code: expect.stringMatching(/^(UNAVAILABLE|UNCERTAIN)$/) };
    await expect(store.append(5, put(resource('x')))).rejects.toMatchObject(failed);
    await expect(store.append(5, put(resource('x')))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(other.vault.put('a', new Uint8Array(1), 0)).rejects.toMatchObject(failed);
    expect([store.healthy(), other.healthy()]).toEqual([false, false]);
    expect([store.current().revision, other.current().revision]).toEqual([5, 5]);
    await agent.restart();
    await appendMany(store, 5, 'after');
    await reached(other, 10);
    expect([store.healthy(), other.healthy()]).toEqual([true, true]);
    expect(heard.map((each) => each.revision)).toEqual(Array.from({ length: 10 }, (_, n) => n + 1));
    expect(await store.revisions(1, 10)).toEqual(heard);
  }, 60_000);
});
