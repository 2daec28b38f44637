import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiEdge } from '../../proto/api/api.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { ask, type Load, startLoad } from '../harness/load.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { runWeft } from '../harness/weft.ts';

let dir: string;
let controlPlane: Daemon;
const daemons: Daemon[] = [];
const origins: Origin[] = [];
let load: Load | undefined;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-threads-'));
  controlPlane = await startDaemon('control-plane', ['--state', join(dir, 'control-plane')]);
  daemons.push(controlPlane);
  await weft(['apply', '-'], ['caller', 'old', 'new'].map(service).join('---'));
}, 60_000);
afterAll(async () => {
  await load?.stop();
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  for (const origin of origins) await origin[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
}, 30_000);

const service = (name: string): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 80 }] }
`;

async function weft(args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runWeft(args, { env: { WEFT_SERVER: controlPlane.at.api! }, input });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** An app and its sidecar, which carries traffic in two threads, once it is ready. */
async function start(name: string, instance = `${name}-1`): Promise<Daemon> {
  const origin = await http1Origin(`${instance}\n`);
  origins.push(origin);
  if (!('port' in origin.address)) throw new Error('not a port');
  const token = (await weft(['token', 'create', name])).trim();
  const sidecar = await startDaemon('sidecar', [
    ...['--service', name, '--instance', instance, '--app', `127.0.0.1:${origin.address.port}`, '--concurrency', '2'],
    ...['--control-plane', controlPlane.at.grpc!, '--token', token, '--state', join(dir, instance)],
  ]);
  daemons.push(sidecar);
  const { admin } = sidecar.at;
  await eventually('it is ready', async () =>
    (await ask({ at: admin!, host: admin!, path: '/ready' })).status === 200 ? true : undefined,
  );
  return sidecar;
}

test('a change is in force in all threads of all sidecars when apply --wait returns, and no request fails', async () => {
  const caller = await start('caller');
  await start('old');
  await start('new');
  const at = caller.at.outbound!;
  const traffic = startLoad(8, { at, host: 'old' });
  load = traffic;
  await traffic.more(100);
  expect(traffic.failures.slice(0, 3)).toEqual([]);
  expect(new Set(traffic.bodies)).toEqual(new Set(['old-1\n']));
  await weft(
    ['apply', '--wait', '-'],
    `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: old }
spec:
  parentRefs: [{ kind: Service, group: '', name: old }]
  rules: [{ backendRefs: [{ name: new, port: 80 }] }]
`,
  );
  // What is under way may still be answered by the old one.
  await traffic.more(8);
  const before = traffic.bodies.length;
  await traffic.more(100);
  // Connections of their own come to both threads.
  for (let i = 0; i < 20; i++) expect((await ask({ at, host: 'old' })).body).toBe('new-1\n');

  const second = await start('new', 'new-2');
  await eventually('both instances answer', () => (traffic.bodies.includes('new-2\n') ? true : undefined));
  const ended = second.running.end('SIGTERM');
  await traffic.more(200);
  expect(await ended).toBe(0);
  await traffic.more(100);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  expect(new Set(traffic.bodies.slice(before))).toEqual(new Set(['new-1\n', 'new-2\n']));

  const edge = await eventually('the control plane has heard of it', async () => {
    const edges = JSON.parse(await weft(['edges', '-o', 'json'])) as readonly ApiEdge[];
    return edges.find(({ destination, sourceIdentity }) => destination === 'default/new' && sourceIdentity !== '');
  });
  expect(edge.sourceIdentity).toMatch(/\/sa\/caller$/);
}, 120_000);
