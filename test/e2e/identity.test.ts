import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog, type Log } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { fromPem, toPem } from '../../lib/svid.ts';
import type { Credentials } from '../../sidecar/tls/credentials.ts';
import { type IdentityOptions, type RunningIdentity, startIdentity } from '../../sidecar/tls/identity.ts';
import { makeRoot } from '../harness/certs.ts';
import { type IdentityServer, startIdentityServer } from '../harness/identity-server.ts';

const b = { trustDomain: 'weft.test', namespace: 'a', service: 'b' };
const own = 'spiffe://weft.test/ns/a/sa/b';
const minute = 60_000;
const hour = 60 * minute;

let clock: ManualClock;
let server: IdentityServer;
let stateDir: string;
let lines: Record<string, unknown>[];
let waiting: { event: string; done: () => void }[];
let log: Log;
let running: RunningIdentity[];

beforeEach(async () => {
  // Half a day back, so that what is made half a day later is valid for OpenSSL, which looks at the real time.
  clock = manualClock(Date.now() - 13.5 * hour);
  lines = [];
  waiting = [];
  running = [];
  log = jsonLog({
    write(text) {
      const line = JSON.parse(text);
      lines.push(line);
      for (const one of waiting.filter(({ event }) => event === line.event)) one.done();
    },
  });
  stateDir = await mkdtemp(join(tmpdir(), 'weft-sidecar-'));
  server = await startIdentityServer({ clock });
});
afterEach(async () => {
  await Promise.all(running.map((one) => one.close()));
  await server.close();
  await rm(stateDir, { recursive: true });
});

const nextLine = (event: string) => new Promise<void>((done) => waiting.push({ event, done }));
const newToken = async (identity = b) => (await server.tokens.create(identity, minute)).token;
function start(options: Partial<IdentityOptions> = {}): RunningIdentity {
  const random = seededRandom(7);
  const identity = startIdentity({ controlPlanes: [server.address], stateDir, clock, random, log, ...options });
  running.push(identity);
  return identity;
}
const nextOf = (identity: RunningIdentity) =>
  new Promise<Credentials>((resolve) => {
    const end = identity.live.subscribe((value) => {
      end();
      resolve(value!);
    });
  });
const problems = () => lines.map((line) => line.problem).filter((problem) => problem !== undefined);

test('a token becomes an identity, which lies on disk for its owner alone', async () => {
  const token = await newToken();
  const identity = start({ token });
  expect(identity.live.current).toBeUndefined();
  await identity.ready;
  expect(identity.live.current).toMatchObject({ spiffeId: own, trustDomain: 'weft.test' });
  await identity.close();
  const path = join(stateDir, 'identity.json');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  // CA-TOKEN-LOG: neither the token nor the key is ever said.
  const said = JSON.stringify(lines);
  expect(said).not.toContain(token.split('.')[1]);
  expect(said).not.toContain('PRIVATE');
  expect(await readFile(path, 'utf8')).not.toContain(token.split('.')[1]);
});

test('it starts again from disk, without a token and without a control plane', async () => {
  const first = start({ token: await newToken() });
  await first.ready;
  const { certPem } = first.live.current!;
  await first.close();
  await server.stop();
  const again = start();
  await again.ready;
  expect(again.live.current!.certPem).toBe(certPem);
  server = await startIdentityServer({ clock, dir: server.dir });
});

test('CA-HERD: it is renewed at half of its life, a little earlier or later, with another key', async () => {
  const identity = start({ token: await newToken() });
  await identity.ready;
  const before = identity.live.current!;
  clock.advance(10.7 * hour);
  expect(identity.live.current).toBe(before);
  const renewed = nextOf(identity);
  clock.advance(2.6 * hour);
  const after = await renewed;
  expect(after.spiffeId).toBe(own);
  expect(after.notAfter).toBeGreaterThan(before.notAfter);
  expect(after.keyPem).not.toBe(before.keyPem);
});

test('CA-DOWN: while the control plane is away the certificate stays, then it is renewed', async () => {
  const identity = start({ token: await newToken() });
  await identity.ready;
  const before = identity.live.current!;
  await server.stop();
  for (let i = 0; i < 4; i++) {
    const retry = nextLine('identity.retry');
    clock.advance(i === 0 ? 13.3 * hour : 150_000);
    await retry;
  }
  expect(identity.live.current).toBe(before);
  expect(lines.findLast((line) => line.event === 'identity.retry')?.expires).toBeDefined();
  server = await startIdentityServer({ clock, dir: server.dir, port: server.port });
  const renewed = nextOf(identity);
  clock.advance(150_000);
  expect((await renewed).spiffeId).toBe(own);
});

test('a control plane that is not there yet is waited for', async () => {
  const token = await newToken();
  await server.stop();
  const identity = start({ token });
  await nextLine('identity.retry');
  expect(identity.live.current).toBeUndefined();
  server = await startIdentityServer({ clock, dir: server.dir, port: server.port });
  clock.advance(500);
  await identity.ready;
  expect(identity.live.current!.spiffeId).toBe(own);
});

describe('it ends with what to do next', () => {
  test('when there is no token', async () => {
    await expect(start().ready).rejects.toThrow(/no certificate and no join token: make one with: weft token create/);
  });

  test('when the token was used before or is none', async () => {
    const token = await newToken();
    await server.tokens.consume(token, 'another');
    await expect(start({ token }).ready).rejects.toThrow(/unknown, used before or expired; make a new token/);
    await expect(start({ token: 'weft1.x' }).ready).rejects.toThrow('the join token is not one');
  });

  test('when the token is for another service', async () => {
    const token = await newToken({ ...b, service: 'other' });
    const identity = start({ token, expect: { namespace: 'a', service: 'b' } });
    await expect(identity.ready).rejects.toThrow('this sidecar is for a/b, but its certificate is for');
    expect(identity.live.current).toBeUndefined();
  });
});

test('the secret is not said to a control plane that the token does not name', async () => {
  const token = await newToken();
  const stranger = await startIdentityServer({ clock });
  start({ token, controlPlanes: [stranger.address] });
  await nextLine('identity.retry');
  expect(problems().at(-1)).toContain('is not the one that made this join token');
  await stranger.close();
  // Nobody has used it up.
  expect(await server.tokens.consume(token, 'me')).toEqual(b);
});

test('the next control plane is asked when one is away', async () => {
  const token = await newToken();
  const away = await startIdentityServer({ clock });
  await away.close();
  const identity = start({ token, controlPlanes: [away.address, server.address] });
  await nextLine('identity.retry');
  clock.advance(500);
  await identity.ready;
});

test('a token file is read again, so a better token can be put there', async () => {
  const tokenFile = join(stateDir, 'token');
  await writeFile(tokenFile, 'weft1.nonsense\n');
  const identity = start({ tokenFile });
  await nextLine('identity.retry');
  await writeFile(tokenFile, `${await newToken()}\n`);
  clock.advance(500);
  await identity.ready;
});

test('MTLS-KEYFILE: a stored identity that others may read, or that is damaged, is not used', async () => {
  const first = start({ token: await newToken() });
  await first.ready;
  await first.close();
  const path = join(stateDir, 'identity.json');
  await chmod(path, 0o644);
  await expect(start().ready).rejects.toThrow('no join token');
  expect(problems().join()).toContain('others may read');
  await chmod(path, 0o600);
  await writeFile(path, (await readFile(path, 'utf8')).slice(0, -20));
  const again = start({ token: await newToken() });
  await again.ready;
  expect(problems()).toContain('the stored identity is damaged');
});

test('CA-RENEW: an identity whose time is over on disk has to join again', async () => {
  const first = start({ token: await newToken() });
  await first.ready;
  await first.close();
  clock.advance(25 * hour);
  await expect(start().ready).rejects.toThrow('no join token');
  expect(problems().join()).toContain('expired');
});

test('MTLS-BUNDLE-ROT: roots of a push are trusted at once, and none at all are refused', async () => {
  const identity = start({ token: await newToken() });
  await identity.ready;
  const [root] = server.authority.roots();
  const next = await makeRoot();
  identity.updateRoots([root!, next.der]);
  expect(fromPem(identity.live.current!.rootsPem)).toHaveLength(2);
  const before = identity.live.current;
  identity.updateRoots([root!, next.der]);
  identity.updateRoots([]);
  identity.updateRoots([Buffer.from('no certificate')]);
  expect(identity.live.current).toBe(before);
  await identity.close();
  const again = start();
  await again.ready;
  expect(again.live.current!.rootsPem).toBe(toPem([root!, next.der]));
});
