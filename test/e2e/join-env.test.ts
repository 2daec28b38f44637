import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiService } from '../../proto/api/api.ts';
import { type RunningConsul, startConsul } from '../harness/consul.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { freePort } from '../harness/free-port.ts';
import { ask } from '../harness/load.ts';
import { findTool } from '../harness/tools.ts';
import { runWeft, startProgram, startWeft, weftBin } from '../harness/weft.ts';

const program = findTool('consul');

let dir: string;
let consul: RunningConsul | undefined;
let controlPlane: Daemon;
let app: Server;
let health = 200;
const daemons: Daemon[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-env-'));
  app = createServer(({ url }, response) => response.writeHead(url === '/health' ? health : 200).end('hello'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const key = join(dir, 'ca.key');
  writeFileSync(key, 'a secret that is long enough', { mode: 0o600 });
  consul = program === undefined ? undefined : await startConsul(program);
  await consul?.kill();
  const store = consul === undefined ? [] : ['--store', 'consul', '--consul-address', consul.address];
  const flags = [...store, '--ca-key-file', key, '--state', join(dir, 'cp'), '--api', ':0', '--grpc', ':0'];
  const running = startWeft(['control-plane', ...flags]);
  if (consul !== undefined) await running.line((line) => line.includes('control_plane.waits') || undefined);
  await consul?.restart();
  controlPlane = { running, at: await running.line(listening) };
  daemons.push(controlPlane);
}, 60_000);
afterAll(async () => {
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  app.closeAllConnections();
  app.close();
  await consul?.close();
  rmSync(dir, { recursive: true });
}, 30_000);

const listening = (line: string) =>
  line.startsWith('{"event":"listening"') ? (JSON.parse(line) as Record<string, string>) : undefined;

const weft = (...args: string[]) => runWeft(args, { env: { WEFT_SERVER: controlPlane.at.api! } });
const appPort = (): number => (app.address() as AddressInfo).port;

/** What a container would be given: an environment, and a file with the token. */
async function environment(service: string, more: NodeJS.ProcessEnv = {}): Promise<NodeJS.ProcessEnv> {
  const secrets = join(dir, `${service}-secrets`);
  mkdirSync(secrets, { recursive: true });
  const token = join(secrets, 'weft-token');
  writeFileSync(token, (await weft('token', 'create', service)).stdout, { mode: 0o600 });
  return {
    WEFT_SERVICE: service,
    WEFT_APP: `127.0.0.1:${appPort()}`,
    WEFT_CONTROL_PLANE: controlPlane.at.grpc!,
    WEFT_TOKEN_FILE: token,
    WEFT_STATE: join(dir, `${service}-state`),
    ...more,
  };
}
async function joinBy(env: NodeJS.ProcessEnv): Promise<Daemon> {
  const daemon = await startDaemon('sidecar', ['--drain-delay', '0s'], env);
  daemons.push(daemon);
  return daemon;
}
const readiness = async ({ at }: Daemon): Promise<{ readonly status: number; readonly body: string }> =>
  ask({ at: at.admin!, host: at.admin!, path: '/ready' });
const untilReady = (sidecar: Daemon) =>
  eventually('the sidecar is ready', async () => (await readiness(sidecar)).status === 200 || undefined);

const serviceOf = async (name: string): Promise<ApiService | undefined> =>
  (JSON.parse((await weft('services', '-o', 'json')).stdout) as ApiService[]).find((one) => one.name === name);

const inCatalog = async (): Promise<readonly string[]> => (await consul!.cli('catalog', 'services')).trim().split('\n');
interface Checked {
  readonly Service: { readonly Meta: Readonly<Record<string, string>> };
  readonly Checks: readonly { readonly Name: string; readonly Status: string; readonly Output: string }[];
}
const checksOf = async (name: string): Promise<readonly string[]> =>
  ((await consul!.api('GET', `/health/service/${name}`)) as Checked[]).flatMap(({ Checks }) =>
    Checks.filter(({ Name }) => Name === 'weft').map(({ Status, Output }) => `${Status} ${Output}`.trim()),
  );
const untilChecks = (name: string, ...wanted: string[]) =>
  eventually(`${name}: ${wanted.join(', ')}`, async () =>
    JSON.stringify(await checksOf(name)) === JSON.stringify(wanted) ? true : undefined,
  );

const withConsul = program === undefined ? test.skip : test;

withConsul('a control plane that is up before its Consul waits for it, and says so', () => {
  const said = controlPlane.running.output();
  expect(said).toMatch(/"control_plane.waits".*cannot be reached.*start it, or check --consul-address/);
  expect(said).toContain('"control_plane.ready"');
});

withConsul(
  'a service joins by its environment alone, and is in the catalog as well as its app is',
  async () => {
    const api = await joinBy(
      await environment('api', { WEFT_PORT: '8080', WEFT_APP_PROTOCOL: 'http', WEFT_APP_HEALTH: 'http:/health' }),
    );
    const web = await joinBy(await environment('web'));
    await Promise.all([untilReady(api), untilReady(web)]);
    const through = () => ask({ at: web.at.outbound!, host: 'api' });
    await eventually('a request goes through', async () => (await through()).status === 200 || undefined);
    expect((await serviceOf('api'))?.ports).toEqual([{ port: 8080, protocol: 'http' }]);
    expect((await serviceOf('web'))?.ports).toEqual([{ port: appPort(), protocol: 'auto' }]);
    expect((await weft('get', 'service', '-o', 'json')).stdout).not.toContain('api');
    await eventually('the catalog has both', async () => {
      const found = await inCatalog();
      return (found.includes('api') && found.includes('web')) || undefined;
    });
    await untilChecks('api', 'passing');

    health = 503;
    await untilChecks('api', 'critical the app answered 503 to GET /health');
    const sick = await eventually('it is not called', async () => {
      const { status, headers } = await through();
      return status === 200 ? undefined : `${status} ${headers['weft-error']}`;
    });
    expect(sick).toBe('503 NO_ENDPOINT');
    expect((await weft('proxies')).stdout).toMatch(/default\/api .* the app answered 503 to GET \/health$/m);
    health = 200;
    await untilChecks('api', 'passing');
    await eventually('it is called again', async () => (await through()).status === 200 || undefined);

    // Killed and started again at the same address, it is there once, and its token is not needed any more.
    await api.running.end('SIGKILL');
    const again = await joinBy({
      ...(await environment('api', { WEFT_PORT: '8080', WEFT_APP_PROTOCOL: 'http' })),
      WEFT_INBOUND: api.at.inbound!,
      WEFT_TOKEN_FILE: '/nowhere',
    });
    await untilReady(again);
    await untilChecks('api', 'passing');
    await again.running.end();
    await eventually('who ends is taken out', async () => !(await inCatalog()).includes('api') || undefined);
    // It has joined, so it is a service without endpoints, not a name that nobody knows.
    expect((await through()).headers['weft-error']).toBe('NO_ENDPOINT');
  },
  90_000,
);

withConsul(
  'what others registered in the catalog is reached by its name, as its checks are',
  async () => {
    const web = await joinBy(await environment('caller'));
    await untilReady(web);
    const asked = async () => (await ask({ at: web.at.outbound!, host: 'billing' })).status;
    expect(await asked()).toBe(404);
    await consul!.api('PUT', '/agent/service/register', {
      ...{ ID: 'billing-1', Name: 'billing', Address: '127.0.0.1', Port: appPort() },
      Check: { CheckID: 'billing', HTTP: `http://127.0.0.1:${appPort()}/health`, Interval: '100ms' },
    });
    await eventually('it is reached', async () => (await asked()) === 200 || undefined);
    health = 500;
    await eventually('its health is followed', async () => (await asked()) === 503 || undefined);
    health = 200;
    await eventually('and again', async () => (await asked()) === 200 || undefined);
    expect((await serviceOf('billing'))?.ports).toEqual([{ port: appPort(), protocol: 'auto' }]);
  },
  60_000,
);

test('a name that no service has is told at the start, and with each request', async () => {
  const web = await joinBy(await environment('lost', { WEFT_CALLS: 'nobody' }));
  await web.running.line((line) => /discovery.no-such-service.*default\/nobody.*weft services/.test(line) || undefined);
  expect((await ask({ at: web.at.outbound!, host: 'nobdy' })).headers['weft-error']).toBe('NO_SERVICE');
  await web.running.line((line) => /"host":"nobdy".*"code":"NO_SERVICE"/.test(line) || undefined);
}, 30_000);

test('what keeps a sidecar from starting is one line with what to do, and code 3', async () => {
  const taken = createPlain();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const env = { ...(await environment('blocked')), WEFT_OUTBOUND: '127.0.0.1:0', WEFT_ADMIN: '127.0.0.1:0' };
  const cases: readonly [NodeJS.ProcessEnv, RegExp][] = [
    [{ WEFT_INBOUND: `127.0.0.1:${port}` }, /cannot listen at 127.0.0.1:\d+: it is taken: stop whoever listens there/],
    [
      { WEFT_INBOUND: '127.0.0.1:0', WEFT_STATE: '/proc/weft' },
      /cannot use the state folder \/proc\/weft \(--state\): /,
    ],
  ];
  for (const [more, reason] of cases) {
    const { code, stderr } = await runWeft(['sidecar'], { env: { ...env, ...more } });
    expect([code, stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))]).toEqual([
      3,
      [expect.stringMatching(reason)],
    ]);
  }
  taken.close();
}, 30_000);

/** A program that may write files of no more than so many blocks of 512 octets: as good as a disk that is full. */
const onFullDisk = (blocks: number, args: readonly string[], env: NodeJS.ProcessEnv) =>
  startProgram('sh', ['-c', `ulimit -f ${blocks}; exec "$@"`, 'sh', weftBin, ...args], { env });

test('a sidecar whose disk is full joins and serves, and says what it cannot keep', async () => {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const [WEFT_INBOUND, WEFT_OUTBOUND, WEFT_ADMIN] = ports.map((port) => `127.0.0.1:${port}`);
  const env = { ...(await environment('full')), WEFT_INBOUND, WEFT_OUTBOUND, WEFT_ADMIN };
  const running = onFullDisk(0, ['sidecar'], env);
  const sidecar = { running, at: { admin: WEFT_ADMIN!, outbound: WEFT_OUTBOUND!, inbound: WEFT_INBOUND! } };
  daemons.push(sidecar);
  const found = (pattern: RegExp) => running.line((line) => pattern.test(line) || undefined);
  await found(/identity.not-stored.*ulimit -f.*It serves on; started again before that, it needs a new join token/);
  await found(/disk.write-failed.*retryMs/);
  await untilReady(sidecar);
  expect((await ask({ at: WEFT_OUTBOUND!, host: 'full' })).status).toBe(200);
}, 30_000);

test('a control plane whose disk is full says so, serves what it knows and refuses changes with a reason', async () => {
  const state = join(dir, 'full-cp');
  const refused = onFullDisk(0, ['control-plane', '--state', state, '--api', ':0', '--grpc', ':0'], {});
  expect(await refused.ended).toBe(3);
  expect(refused.output()).toMatch(/the store in .* cannot be written now: .*is its disk full/);

  const whole = startWeft(['control-plane', '--state', state, '--api', ':0', '--grpc', ':0']);
  await whole.line(listening);
  await whole.end();
  // What there is may be read; to make it larger may not.
  const used = Math.ceil(statSync(join(state, 'weft.sqlite')).size / 512);
  const running = onFullDisk(used + 16, ['control-plane', '--state', state, '--api', ':0', '--grpc', ':0'], {});
  const at = await running.line(listening);
  daemons.push({ running, at });
  const WEFT_SERVER = at.api;
  const metadata = (n: number) => `{ name: s${n}, labels: { long: ${'x'.repeat(63)} } }`;
  const input = Array.from(
    { length: 900 },
    (_, n) => `{ apiVersion: weft.dev/v1, kind: Service, metadata: ${metadata(n)}, spec: {} }`,
  ).join('\n---\n');
  const { code, stderr } = await runWeft(['apply', '-'], { env: { WEFT_SERVER }, input });
  expect([code, stderr]).toEqual([3, expect.stringMatching(/is its disk full, or may no larger file be written/)]);
  expect((await runWeft(['history'], { env: { WEFT_SERVER } })).code).toBe(0);
}, 60_000);
