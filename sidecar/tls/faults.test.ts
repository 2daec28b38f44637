import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { type IdentityServer, startIdentityServer } from '../../test/harness/identity-server.ts';
import { until } from '../../test/harness/until.ts';
import { type RunningIdentity, startIdentity } from './identity.ts';

const hour = 3_600_000;

let dir: string;
let server: IdentityServer;
let identity: RunningIdentity | undefined;
const lines: Record<string, string>[] = [];
const told = (event: string): string[] =>
  lines.filter((line) => line.event === event).map(({ problem = '' }) => problem);
const log = jsonLog({ write: (line) => void lines.push(JSON.parse(line)) });

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-identity-faults-'));
  // OpenSSL looks at the clock of the machine, so the control plane has that one.
  server = await startIdentityServer({ clock: manualClock(Date.now()) });
  lines.length = 0;
});
afterEach(async () => {
  await identity?.close();
  identity = undefined;
  await server.close();
  rmSync(dir, { recursive: true });
});

const newToken = async (): Promise<string> =>
  (await server.tokens.create({ trustDomain: 'weft.test', namespace: 'a', service: 'b' }, 600_000)).token;

function start(clock: ManualClock, more: { token?: string; tokenFile?: string }): RunningIdentity {
  identity = startIdentity({
    controlPlanes: [server.address],
    stateDir: join(dir, 'state'),
    clock,
    random: seededRandom(3),
    log,
    ...more,
  });
  return identity;
}

test.each([
  ['behind', -hour, 'not-yet-valid'],
  ['ahead', 25 * hour, 'expired'],
])('a clock that is %s is named, with what it says, and the token is kept', async (_, off, reason) => {
  const clock = manualClock(Date.now() + off);
  const token = await newToken();
  start(clock, { token });
  await until('it says why', () => told('identity.retry').length > 0);
  const [problem] = told('identity.retry');
  expect(problem).toContain(
    `is not believed: ${reason}; the clock of this machine says ${new Date(clock.wall()).toISOString()}`,
  );
  expect(problem).toContain('NTP');
  await identity!.close();
  // Nothing secret has been said, so the token is good for the next start, with a clock that is right.
  await start(manualClock(Date.now()), { token }).ready;
});

test('a token that is not there yet is waited for', async () => {
  const clock = manualClock(Date.now());
  const tokenFile = join(dir, 'weft-token');
  const { ready } = start(clock, { tokenFile });
  await until('it says why', () => told('identity.retry').length > 0);
  expect(told('identity.retry')[0]).toMatch(
    /^the file with the join token cannot be read: (?:Error: )?ENOENT: .*weft-token'; .*check the path, and that it is mounted$/,
  );
  writeFileSync(tokenFile, await newToken());
  clock.advance(1000);
  await ready;
});

test('a key that cannot be stored is stored later, and the sidecar has its certificate all the same', async () => {
  const clock = manualClock(Date.now());
  const state = join(dir, 'state');
  writeFileSync(state, 'a file where the folder should be');
  const { ready, live } = start(clock, { token: await newToken() });
  await ready;
  expect(live.current).toBeDefined();
  await until('it says why', () => told('identity.not-stored').length > 0);
  expect(told('identity.not-stored')[0]).toMatch(/It serves on; started again before that, it needs a new join token$/);
  rmSync(state);
  mkdirSync(state, { mode: 0o700 });
  clock.advance(5000);
  await until('it is stored', () => existsSync(join(state, 'identity.json')));
  await until('that is told', () => lines.some(({ event }) => event === 'identity.stored'));
});
