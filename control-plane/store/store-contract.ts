import type { Resource } from '../../policies/resource.ts';
import type { NewRevision, Revision, State, Store } from './store.ts';

/** A store over data of its own, for one test. */
export interface StoreCase {
  readonly store: Store;
  /** The same data as another process sees it; `store` itself where a store belongs to one process. */
  readonly other: Store;
  /** Closes both and opens the data again. */
  reopen(): Promise<Store>;
  close(): Promise<void>;
}

export const resource = (name: string, spec: unknown = { ports: [] }, labels?: Record<string, string>): Resource => ({
  apiVersion: 'weft.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', ...(labels === undefined ? {} : { labels }) },
  spec,
});

export const put = (...resources: readonly Resource[]): NewRevision => ({
  author: 'ann',
  message: resources.map((each) => each.metadata.name).join(' '),
  mutations: resources.map((each) => ({ op: 'put', resource: each })),
});

export const remove = (name: string): NewRevision => ({
  author: 'ben',
  message: `without ${name}`,
  mutations: [{ op: 'delete', key: { kind: 'Service', namespace: 'default', name } }],
});

/** Resolves when the store has come to a revision. */
export function reached(store: Store, revision: number): Promise<State> {
  return new Promise((resolve) => {
    const end = store.subscribe((state) => {
      if (state.revision < revision) return;
      end();
      resolve(state);
    });
    if (store.current().revision < revision) return;
    end();
    resolve(store.current());
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

/** What every store promises, whatever it keeps its data in. */
export function storeContract(name: string, open: () => Promise<StoreCase>): void {
  describe(`the ${name} store`, () => {
    let at: StoreCase;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    test('a new log is empty, at revision 0', async () => {
      expect(at.store.name).toBe(name);
      expect(at.store.healthy()).toBe(true);
      expect(at.store.current().revision).toBe(0);
      expect(at.store.current().resources.size).toBe(0);
      expect(await at.store.revisions(1, 10)).toEqual([]);
      expect((await at.store.stateAt(0)).resources.size).toBe(0);
    });

    test('an append makes the next revision, and the current state has it', async () => {
      const labelled = resource('web', { ports: [{ port: 80 }] }, { tier: 'front' });
      const first = await at.store.append(0, put(labelled, resource('cart')));
      expect(first).toMatchObject({ revision: 1, author: 'ann', message: 'web cart' });
      expect(first.at).toBeGreaterThan(0);
      expect(at.store.current().resources.get('Service default/web')).toEqual(labelled);
      await at.store.append(1, remove('cart'));
      expect([...at.store.current().resources.keys()]).toEqual(['Service default/web']);
      expect((await at.store.revisions(1, 2)).map((each) => each.message)).toEqual(['web cart', 'without cart']);
    });

    test('an append on an older or a newer revision is a conflict and changes nothing', async () => {
      await at.store.append(0, put(resource('web')));
      await expect(at.store.append(0, put(resource('cart')))).rejects.toMatchObject({ code: 'CONFLICT' });
      await expect(at.store.append(2, put(resource('cart')))).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(at.store.current().revision).toBe(1);
      expect(await at.store.revisions(1, 10)).toHaveLength(1);
    });

    test('of several appends on one revision exactly one wins, and the losers see it at once', async () => {
      const writers = [at.store, at.other, at.store, at.other];
      const results = await Promise.allSettled(writers.map((each, n) => each.append(0, put(resource(`w${n}`)))));
      expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
      for (const [n, result] of results.entries()) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'CONFLICT' });
        expect(writers[n]!.current().revision).toBe(1);
      }
    });

    test('two writers that append again after each conflict lose nothing and leave no gap', async () => {
      const total = 30;
      const heard: Revision[][] = [[], []];
      for (const [n, store] of [at.store, at.other].entries()) store.subscribe((_, each) => heard[n]!.push(each));
      const write = async (store: Store, letter: string): Promise<void> => {
        for (let n = 0; n < total; ) {
          try {
            await store.append(store.current().revision, put(resource(`${letter}${n}`)));
            n += 1;
          } catch (thrown) {
            if ((thrown as { code?: string }).code !== 'CONFLICT') throw thrown;
          }
        }
      };
      await Promise.all([write(at.store, 'a'), write(at.other, 'b')]);
      await Promise.all([reached(at.store, 2 * total), reached(at.other, 2 * total)]);
      const want = Array.from({ length: 2 * total }, (_, n) => n + 1);
      for (const list of heard) expect(list.map((each) => each.revision)).toEqual(want);
      expect(at.store.current().resources.size).toBe(2 * total);
      expect(await at.other.revisions(1, 2 * total)).toEqual(heard[0]);
    });

    test('a watcher hears of every later revision in order, until it ends it, though another one fails', async () => {
      const heard: [number, number][] = [];
      await at.store.append(0, put(resource('early')));
      at.store.subscribe(() => {
        throw new Error('a watcher that fails');
      });
      const end = at.store.subscribe((state, { revision }) => heard.push([state.revision, revision]));
      await at.store.append(1, put(resource('web')));
      await at.store.append(2, put(resource('cart')));
      end();
      await at.store.append(3, put(resource('late')));
      expect(heard).toEqual([
        [2, 2],
        [3, 3],
      ]);
    });

    test('the other process hears of an append by itself', async () => {
      const there = reached(at.other, 1);
      await at.store.append(0, put(resource('web')));
      expect((await there).resources.has('Service default/web')).toBe(true);
    });

    test('revisions come oldest first, at most as many as asked', async () => {
      for (let n = 0; n < 5; n++) await at.store.append(n, put(resource(`s${n}`)));
      const list = async (...range: [number, number, number?]): Promise<number[]> =>
        (await at.store.revisions(...range)).map((each) => each.revision);
      expect(await list(2, 4)).toEqual([2, 3, 4]);
      expect(await list(1, 5, 2)).toEqual([1, 2]);
      expect(await list(4, 99)).toEqual([4, 5]);
      expect(await list(-3, 1)).toEqual([1]);
      expect(await list(4, 2)).toEqual([]);
    });

    test('the state at each revision can be had again, across snapshots, and reopening gives the same', async () => {
      const total = 230;
      for (let n = 0; n < total; n++)
        await at.store.append(n, n % 7 === 6 ? remove(`s${n - 1}`) : put(resource(`s${n}`)));
      const before = at.store.current();
      const past = await Promise.all([1, 99, 100, 101, 229].map((each) => at.store.stateAt(each)));
      expect(past.map((each) => each.revision)).toEqual([1, 99, 100, 101, 229]);
      expect(past[0]!.resources.size).toBe(1);
      expect(past[3]!.resources.size).toBe(101 - 2 * 14);
      await expect(at.store.stateAt(total + 1)).rejects.toMatchObject({ name: 'RangeError' });
      await expect(at.store.stateAt(-1)).rejects.toMatchObject({ name: 'RangeError' });
      const again = await at.reopen();
      expect(again.current()).toEqual(before);
      expect((await again.revisions(1, total, 1000)).map((each) => each.revision)).toHaveLength(total);
      expect(await again.stateAt(99)).toEqual(past[1]);
      expect((await again.append(total, put(resource('next')))).revision).toBe(total + 1);
    }, 60_000);

    test('big resources go through whole, and one that is too big is refused before anything is written', async () => {
      const big = resource('big', { note: 'ü'.repeat(700_000) });
      await at.store.append(0, put(big));
      await reached(at.other, 1);
      expect(at.other.current().resources.get('Service default/big')).toEqual(big);
      const huge = put(resource('huge', { note: 'x'.repeat(17_000_000) }));
      await expect(at.store.append(1, huge)).rejects.toMatchObject({ code: 'TOO_LARGE' });
      const again = await at.reopen();
      expect(again.current().revision).toBe(1);
      expect(again.current().resources.get('Service default/big')).toEqual(big);
    });

    test('what was appended does not change when the caller changes its object afterwards', async () => {
      const spec = { ports: [{ port: 80 }] };
      await at.store.append(0, put(resource('web', spec)));
      spec.ports[0]!.port = 81;
      expect(at.store.current().resources.get('Service default/web')?.spec).toEqual({ ports: [{ port: 80 }] });
    });

    test('the vault writes only over the version that the caller has seen', async () => {
      const { vault } = at.store;
      expect(await vault.get('ca/root')).toBeUndefined();
      expect(await vault.put('ca/root', bytes('one'), 0)).toBe(true);
      expect(await vault.put('ca/root', bytes('two'), 0)).toBe(false);
      const one = (await vault.get('ca/root'))!;
      expect(text(one.value)).toBe('one');
      expect(one.version).toBeGreaterThan(0);
      expect(await vault.put('ca/root', bytes('two'), one.version)).toBe(true);
      expect(await vault.put('ca/root', bytes('three'), one.version)).toBe(false);
      const two = (await at.other.vault.get('ca/root'))!;
      expect(text(two.value)).toBe('two');
      expect(two.version).toBeGreaterThan(one.version);
      expect(await vault.put('ca/none', bytes('x'), 7)).toBe(false);
      expect(await vault.get('ca/none')).toBeUndefined();
    });

    test('of parallel deletes exactly one gets true, and the old version does not come back', async () => {
      const { vault } = at.store;
      await vault.put('token/a', bytes('x'), 0);
      const { version } = (await vault.get('token/a'))!;
      const stores = Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? at.store : at.other));
      const won = await Promise.all(stores.map((each) => each.vault.delete('token/a', version)));
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await vault.delete('token/a', version)).toBe(false);
      await vault.put('token/a', bytes('y'), 0);
      expect(await vault.delete('token/a', version)).toBe(false);
      expect(await vault.put('token/a', bytes('z'), version)).toBe(false);
    });

    test('of parallel creations exactly one gets true', async () => {
      const stores = [at.store, at.other, at.store, at.other];
      const won = await Promise.all(stores.map((each, n) => each.vault.put('ca/root', bytes(`${n}`), 0)));
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(text((await at.store.vault.get('ca/root'))?.value)).toBe(`${won.indexOf(true)}`);
    });

    test('the vault lists keys by prefix, in order, and keeps any bytes over a reopening', async () => {
      const every = Uint8Array.from({ length: 256 }, (_, n) => n);
      for (const key of ['token/b', 'ca/key', 'token/a', 'tokens']) await at.store.vault.put(key, every, 0);
      await at.store.vault.put('empty', new Uint8Array(0), 0);
      expect(await at.store.vault.list('token/')).toEqual(['token/a', 'token/b']);
      expect(await at.store.vault.list('')).toEqual(['ca/key', 'empty', 'token/a', 'token/b', 'tokens']);
      expect(await at.store.vault.list('nothing/')).toEqual([]);
      const again = await at.reopen();
      expect([...(await again.vault.get('ca/key'))!.value]).toEqual([...every]);
      expect((await again.vault.get('empty'))?.value).toHaveLength(0);
      const large = again.vault.put('large', new Uint8Array(200_000), 0);
      await expect(large).rejects.toMatchObject({ code: 'TOO_LARGE' });
    });

    test('a closed store refuses to write', async () => {
      await at.store.close();
      await expect(at.store.append(0, put(resource('web')))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(at.store.vault.get('ca/root')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(at.store.healthy()).toBe(false);
    });
  });
}
