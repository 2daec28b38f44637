import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { openEmbeddedStore } from './embedded.ts';
import type { Store } from './store.ts';
import { put, resource, storeContract } from './store-contract.ts';

const open = (dir: string): Promise<Store> => openEmbeddedStore({ dir, clock: systemClock, log: silentLog });

let base: string;
let dir: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'weft-store-'));
  dir = join(base, 'state');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

storeContract('embedded', async () => {
  let store = await open(dir);
  return {
    store,
    other: store,
    async reopen() {
      await store.close();
      store = await open(dir);
      return store;
    },
    close: () => store.close(),
  };
});

test('the file and its folder are for their owner alone', async () => {
  const store = await open(dir);
  await store.append(0, put(resource('web')));
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  for (const name of ['weft.sqlite', 'weft.sqlite-wal']) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  await store.close();
});

test('a folder that is open to others is told in the log', async () => {
  const lines: string[] = [];
  chmodSync(base, 0o755);
  const log = { ...silentLog, warn: (event: string) => void lines.push(event) };
  await (await openEmbeddedStore({ dir: base, clock: systemClock, log })).close();
  expect(lines).toEqual(['store.folder_open_to_others']);
});

test('a second open of the same folder is refused by name, and works when the first is closed', async () => {
  const first = await open(dir);
  await expect(open(dir)).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining(dir) });
  await expect(open(dir)).rejects.toThrow('another control plane is using the store');
  await first.append(0, put(resource('web')));
  await first.close();
  const second = await open(dir);
  expect(second.current().revision).toBe(1);
  await second.close();
});

test('a folder that cannot be made is refused with its path', async () => {
  writeFileSync(join(base, 'file'), '');
  const inFile = join(base, 'file', 'state');
  await expect(open(inFile)).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining(inFile) });
});

/** Runs SQL on the closed file. */
function tamper(sql: string): void {
  const db = new DatabaseSync(join(dir, 'weft.sqlite'));
  db.exec(sql);
  db.close();
}

test.each([
  ['a newer format', 'PRAGMA user_version = 2', 'newer Weft (format 2; this one reads 1)'],
  ['another program', 'PRAGMA application_id = 7', 'another program'],
  ['a missing revision', 'DELETE FROM log WHERE revision = 2', 'ends at revision 3 but has 2'],
  ['a revision that is not JSON', "UPDATE log SET body = '{' WHERE revision = 2", 'revision 2 is not JSON'],
  ['a revision of another form', "UPDATE log SET body = '{}' WHERE revision = 3", 'revision 3 is not in our format'],
])('a file with %s is refused as corrupt, and is not changed', async (_, sql, message) => {
  const store = await open(dir);
  for (let n = 0; n < 3; n++) await store.append(n, put(resource(`s${n}`)));
  await store.close();
  tamper(sql);
  const before = statSync(join(dir, 'weft.sqlite')).size;
  await expect(open(dir)).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(message) });
  expect(statSync(join(dir, 'weft.sqlite')).size).toBe(before);
});

test('a file that is not a database is refused with what to do next', async () => {
  await (await open(dir)).close();
  writeFileSync(join(dir, 'weft.sqlite'), 'this is not a database, it is a text that somebody left here. '.repeat(100));
  await expect(open(dir)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('put back a copy'),
  });
});

test('opening reads the nearest snapshot and the revisions after it, not the whole log', async () => {
  const store = await open(dir);
  for (let n = 0; n < 205; n++) await store.append(n, put(resource(`s${n}`)));
  await store.close();
  tamper("UPDATE log SET body = 'unreadable' WHERE revision <= 200");
  const again = await open(dir);
  expect(again.current().resources.size).toBe(205);
  await again.close();
});

const writer = `
  import { writeSync } from 'node:fs';
  const [lib, store, dir] = process.argv.slice(1);
  const { openEmbeddedStore } = await import(store);
  const { systemClock } = await import(lib + '/clock.ts');
  const { silentLog } = await import(lib + '/log.ts');
  const opened = await openEmbeddedStore({ dir, clock: systemClock, log: silentLog });
  const spec = { note: 'x'.repeat(3000) };
  for (;;) {
    const at = opened.current().revision;
    const resource = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' + (at % 40), namespace: 'default' }, spec };
    const mutations = [{ op: 'put', resource }];
    const { revision } = await opened.append(at, { author: 'a', message: 'm', mutations }).catch((error) => {
      writeSync(2, JSON.stringify({ code: error.code, healthy: opened.healthy(), at: opened.current().revision }));
      process.exit(3);
    });
    writeSync(1, revision + '\\n');
  }`;
const writerArgs = (): string[] => {
  const files = [join(import.meta.dirname, '../../lib'), join(import.meta.dirname, 'embedded.ts'), dir];
  return ['--input-type=module', '-e', writer, ...files];
};

/** Appends in a child until it has acknowledged `until`, kills it, and gives the last revision that it acknowledged. */
async function appendUntilKilled(until: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, writerArgs(), { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let last = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    last = Number(line);
    // More lines may be on their way: each of them is an acknowledgement too.
    if (last === until) child.kill('SIGKILL');
  }
  expect((await exited)[1]).toBe('SIGKILL');
  return last;
}

test('what a process has acknowledged is there after kill -9 at any moment, and nothing is there in half', async () => {
  let end = 0;
  for (let round = 0; round < 6; round++) {
    const acknowledged = await appendUntilKilled(end + 1 + Math.floor(Math.random() * 120));
    const store = await open(dir);
    end = store.current().revision;
    // The last append may have been on the disk before it could be acknowledged.
    expect(end).toBeGreaterThanOrEqual(acknowledged);
    expect(end).toBeLessThanOrEqual(acknowledged + 1);
    const all = await store.revisions(1, end, end);
    expect(all.map((each) => each.revision)).toEqual(Array.from({ length: end }, (_, n) => n + 1));
    expect((await store.stateAt(end)).resources).toEqual(store.current().resources);
    await store.close();
  }
}, 60_000);

test('a disk that takes no more fails an append as not done, and what was there before stays', async () => {
  // A limit on the size of files, met as an error and not as a signal, stands for the end of the disk.
  const limited = `trap '' XFSZ; ulimit -f 1000; exec "$@"`;
  const child = spawnSync('sh', ['-c', limited, 'sh', process.execPath, ...writerArgs()], { encoding: 'utf8' });
  expect(child.status).toBe(3);
  const acknowledged = Number(child.stdout.trim().split('\n').at(-1));
  expect(acknowledged).toBeGreaterThan(10);
  expect(JSON.parse(child.stderr)).toEqual({ code: 'UNAVAILABLE', healthy: false, at: acknowledged });
  const store = await open(dir);
  expect(store.current().revision).toBe(acknowledged);
  expect((await store.append(acknowledged, put(resource('web')))).revision).toBe(acknowledged + 1);
  await store.close();
});
