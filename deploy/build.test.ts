import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, parseAddress } from '../lib/address.ts';
import { send } from '../test/harness/client.ts';
import { eventually } from '../test/harness/eventually.ts';
import { ask } from '../test/harness/load.ts';
import { http1Origin } from '../test/harness/origin.ts';
import { root } from '../test/harness/sources.ts';
import { startProgram } from '../test/harness/weft.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-build-'));
  const building = startProgram(process.execPath, [join(root, 'deploy/build.ts'), join(folder, 'dist')]);
  if ((await building.ended) !== 0) throw new Error(building.output());
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

test('the build needs no package beside it', () => {
  const required = readdirSync(join(folder, 'dist'))
    .filter((name) => name.endsWith('.js'))
    .flatMap((name) => [
      ...readFileSync(join(folder, 'dist', name), 'utf8').matchAll(/(?:\bimport|require)\("([^".][^"]*)"\)/g),
    ])
    .map(([, name]) => name!);
  expect(required.length).toBeGreaterThan(0);
  expect([...new Set(required)].filter((name) => !isBuiltin(name))).toEqual([]);
});

test('the build runs a sidecar with worker threads, which it has in a file of their own', async () => {
  await using origin = await http1Origin('hello');
  if (!('port' in origin.address)) throw new Error('not a port');
  const config = join(folder, 'mesh.yaml');
  writeFileSync(
    config,
    `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }], endpoints: [{ address: 127.0.0.1, port: ${origin.address.port} }] }
`,
  );
  const anywhere = ['--inbound', '127.0.0.1:0', '--outbound', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const sidecar = startProgram(process.execPath, [
    ...[join(folder, 'dist/weft.js'), 'sidecar', '--service', 'web', '--app', `127.0.0.1:${origin.address.port}`],
    ...[...anywhere, '--config', config, '--mtls', 'off', '--concurrency', '2', '--access-log', 'all'],
  ]);
  try {
    const { outbound, admin } = await sidecar.line((line) =>
      line.includes('"event":"listening"') ? (JSON.parse(line) as { outbound: string; admin: string }) : undefined,
    );
    await eventually('it is ready', async () =>
      (await ask({ at: admin, host: 'localhost', path: '/ready' })).status === 200 ? true : undefined,
    );
    for (let sent = 0; sent < 20; sent++) expect((await send(parseAddress(outbound) as Address)).body).toBe('hello');
    const { body } = await ask({ at: admin, host: 'localhost', path: '/metrics' });
    const requests = [...body.matchAll(/^weft_worker_requests_total\{worker="\d"\} (\d+)$/gm)].map(([, count]) =>
      Number(count),
    );
    expect([requests.length, requests.reduce((sum, count) => sum + count, 0)]).toEqual([2, 20]);
  } finally {
    expect(await sidecar.end()).toBe(0);
  }
  // Lines of both threads, each of them whole, and all of them out before the end.
  const lines = sidecar
    .output()
    .split('\n')
    .filter((line) => line.includes('"direction"'));
  expect(lines.map((line) => (JSON.parse(line) as { status: number }).status)).toEqual(Array(20).fill(200));
}, 60_000);
