import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { makeIntermediate, makeLeaf, makeRoot, type TestCert } from '../../test/harness/certs.ts';
import { fileCredentials } from './file-credentials.ts';

const own = 'spiffe://weft.test/ns/a/sa/b';
let root: TestCert;
let dir: string;
let files: { cert: string; key: string; ca: string };
let events: Record<string, unknown>[];
let told = (): void => undefined;
/** The looks at the files below move the clock on, by how much depends on the disk: nothing may expire by that. */
const year = 365 * 86_400_000;
let clock: ManualClock;
const log = jsonLog({
  write(line) {
    events.push(JSON.parse(line));
    told();
  },
});

beforeEach(async () => {
  root = await makeRoot({ notAfter: year });
  clock = manualClock(Date.now());
  events = [];
  dir = await mkdtemp(join(tmpdir(), 'weft-files-'));
  files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), ca: join(dir, 'ca.pem') };
});
afterEach(() => rm(dir, { recursive: true }));

async function put(leaf: TestCert, ca = root): Promise<void> {
  await writeFile(files.cert, leaf.chainPem);
  await writeFile(files.key, leaf.keyPem, { mode: 0o600 });
  await writeFile(files.ca, ca.pem);
}
const nextEvent = () =>
  new Promise<void>((resolve) => {
    told = resolve;
  });

test('three files are an identity, and another set replaces it without a restart', async () => {
  await put(await makeLeaf(await makeIntermediate(root, { notAfter: year }), { uris: [own], notAfter: year }));
  const { live, close } = await fileCredentials({ ...files, clock, log });
  const first = live.current!;
  expect(first).toMatchObject({ spiffeId: own, trustDomain: 'weft.test' });

  // A certificate whose key is not there yet, as in the middle of a copy.
  const next = await makeLeaf(root, { uris: [own], notAfter: year });
  await writeFile(files.cert, next.chainPem);
  let event = nextEvent();
  clock.advance(10_000);
  await event;
  expect(events.at(-1)).toMatchObject({ event: 'identity.files-unusable' });
  expect(live.current).toBe(first);

  await put(next);
  event = nextEvent();
  // The look before plans the next one when it is done, which may be a moment after it logged.
  while (events.at(-1)?.event !== 'identity.ready') {
    clock.advance(10_000);
    await new Promise(setImmediate);
  }
  await event;
  expect(live.current!.keyPem).toBe(next.keyPem);
  await close();
});

test('what is wrong with the first set is told, with the files', async () => {
  const open = () => fileCredentials({ ...files, clock, log });
  await expect(open()).rejects.toThrow(/cannot read .*cert.pem.*ENOENT/);
  const leaf = await makeLeaf(root, { uris: [own] });
  await put(leaf);
  await writeFile(files.cert, 'hello');
  await expect(open()).rejects.toThrow(/cert.pem: there is no certificate in it/);
  await put(leaf, await makeRoot());
  await expect(open()).rejects.toThrow(/do not fit: .*untrusted/);
  await put(leaf);
  await writeFile(files.key, (await makeLeaf(root)).keyPem);
  await expect(open()).rejects.toThrow('the certificate belongs to another key');
  await writeFile(files.key, 'hello');
  await expect(open()).rejects.toThrow('the private key cannot be read');
  await put(await makeLeaf(root, { uris: [own, own] }));
  await expect(open()).rejects.toThrow('no SPIFFE identity: many-uri-sans');
  await put(await makeLeaf(root, { uris: [own], notAfter: -1000 }));
  await expect(open()).rejects.toThrow('expired');
});
