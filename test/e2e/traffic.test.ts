import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../harness/eventually.ts';
import { type Answer, ask, startLoad } from '../harness/load.ts';
import { type Shop, startShop } from '../harness/shop.ts';

const app = join(import.meta.dirname, 'fixtures', 'app.js');
let dir: string;
let mesh: Shop;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-mesh-'));
  mesh = await startShop({ files: [file('mesh', services.map(service).join('---'))] });
}, 60_000);
afterAll(async () => {
  await mesh?.close();
  rmSync(dir, { recursive: true });
}, 30_000);

const services: readonly {
  readonly name: string;
  readonly instances?: number;
  readonly env?: Readonly<Record<string, string>>;
}[] = [
  { name: 'caller' },
  { name: 'old' },
  { name: 'new' },
  { name: 'pair', instances: 2 },
  { name: 'slow', env: { DELAY_MS: '3000' } },
];

const service = ({ name, instances = 1, env = {} }: (typeof services)[number]): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 80 }] }
---
apiVersion: weft.dev/v1
kind: Workload
metadata: { name: ${name} }
spec: { service: ${name}, command: [node, ${app}], instances: ${instances}, env: ${JSON.stringify(env)} }
`;

function file(name: string, text: string): string {
  const path = join(dir, `${name}.yaml`);
  writeFileSync(path, text);
  return path;
}

const call = (host: string, path = '/', method = 'GET'): Promise<Answer> =>
  ask({ at: mesh.outbound('caller'), host, path, method });

async function apply(name: string, text: string): Promise<void> {
  const { code, stderr } = await mesh.weft('apply', '--wait', file(name, text));
  if (code !== 0) throw new Error(stderr);
}

const split = (oldWeight: number, newWeight: number): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: split }
spec:
  parentRefs: [{ kind: Service, group: '', name: old }]
  rules:
    - backendRefs:
        - { name: old, port: 80, weight: ${oldWeight} }
        - { name: new, port: 80, weight: ${newWeight} }
`;

test('weights move all traffic when apply --wait returns, without a failed request', async () => {
  await apply('split', split(100, 0));
  const load = startLoad(4, { at: mesh.outbound('caller'), host: 'old' });
  await load.more(50);
  expect(new Set(load.bodies)).toEqual(new Set(['old\n']));
  await apply('split', split(0, 100));
  // What is under way may still be answered by the old one.
  await load.more(4);
  const before = load.bodies.length;
  await load.more(50);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(new Set(load.bodies.slice(before))).toEqual(new Set(['new\n']));
}, 60_000);

test('a TimeoutPolicy cuts a slow service off, and the answer says which one and why', async () => {
  expect((await call('slow')).status).toBe(200);
  await apply(
    'timeout',
    `
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: short }
spec:
  targetRefs: [{ kind: Service, name: slow }]
  request: 300ms
`,
  );
  const begin = performance.now();
  const { status, headers, body } = await call('slow');
  expect(performance.now() - begin).toBeLessThan(2000);
  expect([status, headers['weft-error'], headers['content-type']]).toEqual([
    504,
    'REQUEST_DEADLINE',
    'application/problem+json',
  ]);
  expect(JSON.parse(body)).toMatchObject({ code: 'REQUEST_DEADLINE', policy: 'TimeoutPolicy default/short' });
}, 60_000);

test('get --effective shows each value of a policy with where it comes from', async () => {
  await apply(
    'retry',
    `
apiVersion: weft.dev/v1
kind: RetryPolicy
metadata: { name: twice }
spec:
  targetRefs: [{ kind: Service, name: pair }]
  retries: 2
`,
  );
  const { stdout } = await mesh.weft('get', 'retrypolicy', '--effective', 'pair');
  expect(stdout).toMatch(/^RetryPolicy +retries +2 +.*default\/twice/m);
  expect(stdout).toMatch(/^RetryPolicy +on +\S+ +builtin$/m);
}, 30_000);

test.each(['GET', 'POST'])(
  '%s: nothing fails while an instance and its sidecar end in order',
  async (method) => {
    const load = startLoad(16, {
      at: mesh.outbound('caller'),
      host: 'pair',
      method,
      body: method === 'POST' ? 'x' : '',
    });
    await load.more(100);
    const before = { app: mesh.process('pair-1')!.pid, sidecar: mesh.process('pair-1-sidecar')!.pid };
    mesh.signal('pair-1-sidecar', 'SIGTERM');
    mesh.signal('pair-1', 'SIGTERM');
    await eventually('both have come back', () => {
      const pids = [mesh.process('pair-1')?.pid, mesh.process('pair-1-sidecar')?.pid];
      return pids.every((pid) => pid !== undefined) && pids[0] !== before.app && pids[1] !== before.sidecar
        ? true
        : undefined;
    });
    const answered = load.bodies.length;
    await eventually('it answers again', () => load.bodies.slice(answered).includes('pair-1\n') || undefined);
    await load.stop();
    expect(load.failures).toEqual([]);
  },
  60_000,
);

test('a long answer that is under way is finished when the sidecar is told to end', async () => {
  const long = await Promise.all([begin('pair'), begin('pair')]);
  const pid = mesh.signal('pair-2-sidecar', 'SIGTERM');
  for (const response of long) {
    let body = '';
    for await (const piece of response) body += piece;
    expect(body.endsWith('whole\n')).toBe(true);
  }
  await eventually('it has come back', () => (mesh.process('pair-2-sidecar')?.pid ?? pid) !== pid || undefined);
}, 60_000);

/** An answer of which the head has come, and the rest takes a second and a half. */
async function begin(host: string): Promise<IncomingMessage> {
  const [hostname, port] = mesh.outbound('caller').split(':');
  const sent = request({ hostname, port, path: '/slow?ms=1500', headers: { host }, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  return response.setEncoding('utf8');
}
