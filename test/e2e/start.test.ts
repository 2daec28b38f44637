import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiProxy } from '../../proto/api/api.ts';
import { eventually } from '../harness/eventually.ts';
import { processes } from '../harness/processes.ts';
import { belongsTo, type Shop, startShop } from '../harness/shop.ts';
import { startProgram } from '../harness/weft.ts';

const instances = ['cart', 'payments-1', 'payments-2', 'visitor', 'web'];

/** Resolves when the control plane that runs now has every sidecar, each with the newest revision. */
const allSynced = (shop: Shop): Promise<unknown> =>
  eventually('every sidecar is synced', async () => {
    const { code, stdout } = await shop.weft('proxies', '-o', 'json');
    if (code !== 0) return undefined;
    const synced = (JSON.parse(stdout) as ApiProxy[]).filter(({ state, ready }) => state === 'synced' && ready);
    return synced.length === instances.length ? synced : undefined;
  });

const comesBack = (shop: Shop, name: string, killed: number): Promise<number> =>
  eventually(`${name} comes back`, () => {
    const pid = shop.process(name)?.pid;
    return pid === killed ? undefined : pid;
  });

test('npm start runs the shop for a time, shows who talks to whom, and ends with 0', async () => {
  const state = mkdtempSync(join(tmpdir(), 'weft-npm-'));
  const flags = ['--for', '3s', '--state', state, '--api', '127.0.0.1:0', '--grpc', '127.0.0.1:0'];
  const npm = startProgram('npm', ['start', '--', ...flags], { env: { MESH_OF_TEST: state } });
  const code = await npm.ended;
  const said = npm.output();
  expect(said).toMatch(/^\d+ requests, 0 failed, p50 /m);
  for (const [from, to] of [
    ['visitor', 'web'],
    ['web', 'cart'],
    ['cart', 'payments'],
  ])
    expect(said).toMatch(new RegExp(`^${from} +${to} .* 100% .*ns/default/sa/${from} +ns/default/sa/${to}$`, 'm'));
  expect(code).toBe(0);
  expect(processes().filter((one) => belongsTo(one, state))).toEqual([]);
  rmSync(state, { recursive: true });
}, 60_000);

test('no request fails when an app, the control plane and a sidecar are killed; Ctrl-C ends all', async () => {
  const shop = await startShop();
  try {
    for (const name of ['payments-1', 'control-plane', 'payments-2-sidecar']) {
      await comesBack(shop, name, shop.signal(name, 'SIGKILL'));
      await allSynced(shop);
    }
    expect(shop.log('payments-2-sidecar')).toContain('"how":"stored"');
    expect(await shop.running.end('SIGINT')).toBe(0);
    expect(shop.running.output()).toMatch(/^\d+ requests, 0 failed, p50 /m);
    expect(shop.running.output()).toContain('died and came back: payments-1 ended by SIGKILL; control-plane ended');
  } finally {
    await shop.close();
  }
}, 120_000);

test('when it is killed itself, nothing of it is left', async () => {
  const shop = await startShop();
  const { state } = shop;
  expect(processes().filter((one) => belongsTo(one, state)).length).toBeGreaterThan(9);
  await shop.running.end('SIGKILL');
  await eventually('all processes are gone', () =>
    processes().some((one) => belongsTo(one, state)) ? undefined : true,
  );
  await shop.close();
}, 60_000);

test('what a part says that cannot start is shown, since its log goes with the folder', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const grpc = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const start = startProgram(process.execPath, ['cli/start.ts', '--api', '127.0.0.1:0', '--grpc', grpc]);
  const code = await start.ended;
  taken.close();
  expect([code, start.output()]).toEqual([
    1,
    expect.stringMatching(new RegExp(`control-plane ended with exit code 3 before it listened:\n[^]*${grpc} is taken`)),
  ]);
}, 30_000);

test('what a part waits for is said to whoever started it, instead of waiting with it', async () => {
  const flags = [
    '--store',
    'consul',
    '--consul-address',
    '127.0.0.1:9',
    '--api',
    '127.0.0.1:0',
    '--grpc',
    '127.0.0.1:0',
  ];
  const start = startProgram(process.execPath, ['cli/start.ts', ...flags]);
  expect([await start.ended, start.output()]).toEqual([
    1,
    expect.stringMatching(/Consul at 127\.0\.0\.1:9 cannot be reached: .*start it, or check --consul-address/),
  ]);
}, 30_000);

test.each(['starting the control plane', 'applying the resources', 'starting web, cart'])(
  'Ctrl-C while it is %s ends everything at once',
  async (step) => {
    const state = mkdtempSync(join(tmpdir(), 'weft-early-'));
    const flags = ['--state', state, '--api', '127.0.0.1:0', '--grpc', '127.0.0.1:0'];
    const start = startProgram(process.execPath, ['cli/start.ts', ...flags], { env: { MESH_OF_TEST: state } });
    await start.line((line) => line.startsWith(step) || undefined);
    const begin = performance.now();
    await start.end('SIGINT');
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect(start.output()).toMatch(/weft: ended before everything ran$/);
    expect(processes().filter((one) => belongsTo(one, state))).toEqual([]);
    rmSync(state, { recursive: true });
  },
  60_000,
);

test('two that start at the same moment do not get in the way of each other', async () => {
  const starts = [1, 2].map(() => startProgram(process.execPath, ['cli/start.ts', '--for', '1s']));
  const codes = await Promise.all(starts.map(({ ended }) => ended));
  expect([codes, starts.map((start) => /^\d+ requests?, (\d+) failed/m.exec(start.output())?.[1])]).toEqual([
    [0, 0],
    ['0', '0'],
  ]);
}, 60_000);
