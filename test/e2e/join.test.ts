import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { makeLeaf, makeRoot } from '../harness/certs.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { ask } from '../harness/load.ts';
import { processes } from '../harness/processes.ts';
import { runWeft } from '../harness/weft.ts';

let dir: string;
let app: Server;
let controlPlane: Daemon;
const daemons: Daemon[] = [];
/** Requests that have come through to the app. */
let arrived = 0;

async function start(...args: Parameters<typeof startDaemon>): Promise<Daemon> {
  const daemon = await startDaemon(...args);
  daemons.push(daemon);
  return daemon;
}

const startControlPlane = (...flags: string[]) =>
  start('control-plane', ['--state', join(dir, 'control-plane'), ...flags]);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-join-'));
  app = createServer((_, response) => {
    arrived++;
    response.end('hello');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  controlPlane = await startControlPlane();
  const { code, stderr } = await weft(['apply', '-'], mesh);
  if (code !== 0) throw new Error(stderr);
}, 60_000);
afterAll(async () => {
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  app.closeAllConnections();
  app.close();
  rmSync(dir, { recursive: true });
}, 30_000);

const mesh = ['web', 'api']
  .map((name) => `{apiVersion: weft.dev/v1, kind: Service, metadata: {name: ${name}}, spec: {}}`)
  .join('\n---\n');

const weft = (args: readonly string[], input = '') =>
  runWeft(args, { env: { WEFT_SERVER: controlPlane.at.api! }, input });

const newToken = async (service: string, ...flags: string[]): Promise<string> =>
  (await weft(['token', 'create', service, ...flags])).stdout.trim();

let files = 0;
function file(text: string): string {
  const path = join(dir, `token-${files++}`);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** A sidecar of `web` unless `of` says otherwise. */
const startSidecar = (
  state: string,
  of: { service?: string; grpc?: string; join?: readonly string[] },
): Promise<Daemon> =>
  start('sidecar', [
    ...['--service', of.service ?? 'web', '--app', `127.0.0.1:${(app.address() as AddressInfo).port}`],
    ...['--control-plane', of.grpc ?? controlPlane.at.grpc!, '--state', join(dir, state), '--drain-delay', '0s'],
    ...(of.join ?? []),
  ]);

const readiness = async ({ at }: Daemon): Promise<{ readonly status: number; readonly detail: string }> => {
  const { status, body } = await ask({ at: at.admin!, host: at.admin!, path: '/ready' });
  return { status, detail: (JSON.parse(body) as { detail?: string }).detail ?? '' };
};
const untilReady = (sidecar: Daemon) =>
  eventually('the sidecar is ready', async () => (await readiness(sidecar)).status === 200 || undefined);

/** That nothing goes through it, either way. */
async function expectPassesNothing(sidecar: Daemon): Promise<void> {
  const before = arrived;
  const out = await ask({ at: sidecar.at.outbound!, host: 'api' });
  expect([out.status, out.headers['weft-error']]).toEqual([503, 'NOT_READY']);
  expect(await rawAnswer(plainTo(sidecar))).toBe('');
  expect(arrived).toBe(before);
}

const portOf = (address: string): number => Number(address.split(':')[1]);
const plainTo = ({ at }: Daemon): Socket => connectPlain(portOf(at.inbound!), '127.0.0.1');

/** Everything that comes back for a request, until the other end closes. */
function rawAnswer(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    socket.on('data', (data) => {
      got += data.toString('latin1');
    });
    // A reset is as good as an end here.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(got.startsWith('HTTP/') ? got : ''));
    socket.write('GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n');
  });
}

test('a token that is reused, expired, malformed, foreign or for another service opens nothing, and it is said why', async () => {
  const used = await newToken('web');
  const first = await startSidecar('first', { join: ['--token-file', file(used)] });
  await untilReady(first);
  const expired = await newToken('web', '--ttl', '1s');
  const other = await start('control-plane', ['--state', join(dir, 'other')]);
  const foreign = (await runWeft(['token', 'create', 'web'], { env: { WEFT_SERVER: other.at.api! } })).stdout.trim();
  await other.running.end();
  // It has lived for its second by now: stopping a control plane takes no less than starting it took.
  const cases = [
    ['reused', used, /unknown, used before or expired; make a new token/],
    ['expired', expired, /unknown, used before or expired; make a new token/],
    ['malformed', 'weft1.nonsense', /the join token in \S+ is not one .*weft token create/],
    ['foreign', foreign, /is not the one that made this join token/],
    ['for api', await newToken('api'), /this sidecar is for default\/web, but its certificate is for .*\/api/],
  ] as const;
  await Promise.all(
    cases.map(async ([name, token, reason]) => {
      const sidecar = await startSidecar(name, { join: ['--token-file', file(token)] });
      await sidecar.running.line((line) => reason.test(line) || undefined);
      await eventually(
        `/ready says why (${name})`,
        async () => {
          const { status, detail } = await readiness(sidecar);
          return (status === 503 && reason.test(detail)) || undefined;
        },
        5000,
      );
      await expectPassesNothing(sidecar);
      expect(sidecar.running.output()).not.toContain(token.split('.')[1]);
      await sidecar.running.end('SIGKILL');
    }),
  );
  await first.running.end();
}, 90_000);

test('without a control plane the first start passes nothing; a later one works from disk at once', async () => {
  const token = file(await newToken('web'));
  const { api, grpc } = controlPlane.at;
  await controlPlane.running.end('SIGKILL');
  const web = await startSidecar('web', { join: ['--token-file', token, '--calls', 'api'] });
  await expectPassesNothing(web);
  expect((await readiness(web)).status).toBe(503);

  controlPlane = await startControlPlane('--api', api!.replace('http://', ''), '--grpc', grpc!);
  await untilReady(web);
  const apiSidecar = await startSidecar('api', { service: 'api', join: ['--token-file', file(await newToken('api'))] });
  await untilReady(apiSidecar);
  const through = (one: Daemon) =>
    eventually('a request goes through', async () => {
      const { status } = await ask({ at: one.at.outbound!, host: 'api' });
      return status === 200 || undefined;
    });
  await through(web);
  // Written a few seconds after each change at most, since writing holds up requests.
  const saved = join(dir, 'web', 'last-good.json');
  const known = `"port":${portOf(apiSidecar.at.inbound!)}`;
  await eventually('the endpoint is on disk', () => readFileSync(saved, 'utf8').includes(known) || undefined);

  await controlPlane.running.end('SIGKILL');
  await web.running.end('SIGKILL');
  const again = await startSidecar('web', {});
  const begin = performance.now();
  await untilReady(again);
  const { status, body } = await ask({ at: again.at.outbound!, host: 'api' });
  expect([status, body]).toEqual([200, 'hello']);
  expect(performance.now() - begin).toBeLessThan(2000);
  controlPlane = await startControlPlane('--api', api!.replace('http://', ''), '--grpc', grpc!);
}, 90_000);

test('a strict inbound answers neither plain text nor strangers', async () => {
  const root = await makeRoot();
  const stranger = await makeLeaf(root, { uris: ['spiffe://mesh.local/ns/default/sa/api'] });
  const sidecar = await startSidecar('strict', { join: ['--token-file', file(await newToken('web'))] });
  await untilReady(sidecar);
  const before = arrived;
  const tls = (options: object): Socket =>
    connectTls({ port: portOf(sidecar.at.inbound!), host: '127.0.0.1', rejectUnauthorized: false, ...options });
  expect(await rawAnswer(plainTo(sidecar))).toBe('');
  expect(await rawAnswer(tls({}))).toBe('');
  expect(await rawAnswer(tls({ cert: stranger.chainPem, key: stranger.keyPem, ca: root.pem }))).toBe('');
  expect(arrived).toBe(before);
  expect(sidecar.running.output()).toContain('handshake');
}, 60_000);

test('neither tokens nor keys are in logs, command lines or the admin pages', async () => {
  const token = await newToken('web');
  const sidecar = await startSidecar('quiet', { join: ['--token-file', file(token)] });
  await untilReady(sidecar);
  const { keyPem } = JSON.parse(readFileSync(join(dir, 'quiet', 'identity.json'), 'utf8')) as { keyPem: string };
  const pages = await Promise.all(
    ['/config', '/info', '/metrics', '/'].map(
      async (path) => (await ask({ at: sidecar.at.admin!, host: sidecar.at.admin!, path })).body,
    ),
  );
  const argv = processes().find(({ pid }) => pid === sidecar.running.child.pid)!.argv;
  const shown = [...pages, ...argv, sidecar.running.output(), controlPlane.running.output()].join('\n');
  const secrets = [token.split('.')[1]!, keyPem.split('\n')[1]!];
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(40);
    expect(shown).not.toContain(secret);
  }
}, 60_000);
