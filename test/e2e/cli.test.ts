import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiEdge, ApiProxy } from '../../proto/api/api.ts';
import { eventually } from '../harness/eventually.ts';
import { ask } from '../harness/load.ts';
import { type Shop, startShop } from '../harness/shop.ts';
import { runWeft, startWeft } from '../harness/weft.ts';

const example = join(import.meta.dirname, '..', '..', 'examples', 'shop', 'mesh.yaml');
let dir: string;
let shop: Shop;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-cli-'));
  shop = await startShop({ files: [example] });
}, 60_000);
afterAll(async () => {
  await shop?.close();
  rmSync(dir, { recursive: true });
}, 30_000);

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const timeout = (request: string): string => `apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: cart }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  request: ${request}
`;

/** Stops one sidecar as a machine that hangs would, for as long as `meanwhile` takes. */
async function stopped<T>(name: string, meanwhile: () => Promise<T>): Promise<T> {
  const pid = shop.signal(name, 'SIGSTOP');
  try {
    return await meanwhile();
  } finally {
    if (shop.process(name)?.pid === pid) process.kill(pid, 'SIGCONT');
  }
}

const revision = async (): Promise<number> => (await shop.json<{ revision: number }[]>('history'))[0]!.revision;

test('a request crosses the mesh that weft up runs, and weft edges shows it', async () => {
  expect((await ask({ at: shop.outbound('web'), host: 'web' })).status).toBe(200);
  // Each end reports for itself, so the identities come one after the other.
  await eventually('both ends have reported', async () => {
    const edges = await shop.json<ApiEdge[]>('edges');
    const known = edges.filter(
      (one) =>
        one.sourceIdentity !== '' && one.destinationIdentity.endsWith(one.destination.replace('default/', '/sa/')),
    );
    return known.length === 3 || undefined;
  });
});

test('each command for looking says something to people, and JSON to programs', async () => {
  for (const args of [
    ...[['get'], ['get', 'httproute', 'payments'], ['get', '--effective', 'payments'], ['services'], ['proxies']],
    ...[['edges'], ['history'], ['doctor'], ['version'], ['diff', example], ['check', example]],
  ]) {
    const [table, json] = await Promise.all([shop.weft(...args), shop.weft(...args, '-o', 'json')]);
    expect([args, table.code, table.stderr.includes('    at ')]).toEqual([args, 0, false]);
    expect(() => JSON.parse(json.stdout)).not.toThrow();
  }
}, 60_000);

test('apply refuses a bad file with every place, and changes nothing', async () => {
  const before = await revision();
  const good = timeout('3s').replace('name: cart }\nspec', 'name: good }\nspec');
  const path = file('bad.yaml', `${good}---\n${timeout('soon')}  atempt: 1s\n`);
  for (const flags of [[], ['--dry-run'], ['--wait']]) {
    const { code, stderr } = await shop.weft('apply', path, ...flags);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^${path}:13:\\d+: spec.request: `, 'm'));
    expect(stderr).toMatch(new RegExp(`^${path}:14:\\d+: spec.atempt: .*attempt`, 'm'));
  }
  expect(await revision()).toBe(before);
  expect((await shop.weft('get', 'timeoutpolicy', 'good')).code).toBe(1);
}, 30_000);

test('a change is shown, waited for, compared and taken back', async () => {
  const before = await revision();
  const path = file('timeout.yaml', timeout('3s'));
  expect((await shop.weft('apply', '--dry-run', path)).stdout).toContain('+ TimeoutPolicy default/cart');
  expect(await shop.weft('apply', path, '--wait', '-m', 'less time')).toMatchObject({ code: 0 });
  const proxies = await shop.json<ApiProxy[]>('proxies');
  expect(proxies.map((one) => [one.state, one.revision])).toEqual(proxies.map(() => ['synced', before + 1]));
  expect((await shop.weft('diff', file('timeout.yaml', timeout('4s')))).stdout).toMatch(/3s.*4s/s);
  expect((await shop.weft('history')).stdout).toContain('less time');
  expect((await shop.weft('rollback', String(before), '--wait')).code).toBe(0);
  expect((await shop.weft('get', 'timeoutpolicy', 'cart')).code).toBe(1);
  expect((await shop.weft('delete', 'timeoutpolicy', 'cart')).code).toBe(1);
}, 60_000);

test('apply --wait names a sidecar that hangs, and what it runs instead', async () => {
  const before = await revision();
  const { code, stderr } = await stopped('cart-sidecar', () =>
    shop.weft('apply', file('timeout.yaml', timeout('5s')), '--wait=1s'),
  );
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining(
      `revision ${before + 1} is applied, but 1 sidecar does not run it:\n  default/cart cart has not answered yet; it runs revision ${before}`,
    ),
  ]);
}, 30_000);

test('apply --wait does not take a sidecar that was lost meanwhile for one that runs it', async () => {
  const env = { WEFT_SERVER: shop.server };
  const app = shop.server.replace('http://', '');
  const token = file('token', (await shop.weft('token', 'create', 'cart')).stdout);
  const { api, grpc } = Object.fromEntries(
    ['api', 'grpc'].map((flag) => {
      const { argv } = shop.process('control-plane')!;
      return [flag, argv[argv.indexOf(`--${flag}`) + 1]!];
    }),
  );
  expect(api).toBe(app);
  const any = ['inbound', 'outbound', 'admin'].flatMap((flag) => [`--${flag}`, '127.0.0.1:0']);
  const sidecar = startWeft([
    ...['sidecar', '--service', 'cart', '--instance', 'lost', '--app', app, '--control-plane', grpc!],
    ...['--token-file', token, '--state', join(dir, 'lost'), ...any],
  ]);
  const stateOf = async (): Promise<string | undefined> =>
    (await shop.json<ApiProxy[]>('proxies')).find(({ instance }) => instance === 'lost')?.state;
  await eventually('it is there', async () => (await stateOf()) === 'synced' || undefined);
  sidecar.child.kill('SIGSTOP');
  const applying = startWeft(['apply', file('timeout.yaml', timeout('6s')), '--wait=6s'], { env });
  await applying.line((line) => line.includes('waiting for lost') || undefined);
  await sidecar.end('SIGKILL');
  expect([await applying.ended, applying.output()]).toEqual([
    1,
    expect.stringMatching(/default\/cart lost is not connected, last seen \d+s ago/),
  ]);
}, 60_000);

test('a revision that was acknowledged is there after kill -9 of the control plane', async () => {
  const before = await revision();
  const { code } = await shop.weft('apply', file('timeout.yaml', timeout('7s')));
  const killed = shop.signal('control-plane', 'SIGKILL');
  expect(code).toBe(0);
  await eventually('it comes back', () => (shop.process('control-plane')?.pid ?? killed) !== killed || undefined);
  const found = await eventually('it answers', async () => {
    const { code, stdout } = await shop.weft('history', '-o', 'json');
    return code === 0 ? (JSON.parse(stdout) as { revision: number }[]) : undefined;
  });
  expect(found[0]!.revision).toBe(before + 1);
  expect((await shop.weft('get', 'timeoutpolicy', 'cart', '-o', 'yaml')).stdout).toContain('7s');
}, 60_000);

test('without a control plane every command that needs one says so and ends with 3', async () => {
  const env = { WEFT_SERVER: 'http://127.0.0.1:9' };
  const all = [['apply', example], ['get'], ['diff', example], ['history'], ['rollback', '1'], ['services'], ['edges']];
  for (const args of [...all, ['proxies'], ['doctor'], ['delete', 'service', 'web'], ['token', 'create', 'web']]) {
    const { code, stdout, stderr } = await runWeft(args, { env });
    expect([args, code]).toEqual([args, 3]);
    expect(stdout + stderr).toContain('cannot reach the control plane at http://127.0.0.1:9');
  }
}, 60_000);
