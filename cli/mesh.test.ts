import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Running, runWeft, startWeft } from '../test/harness/weft.ts';

/** The commands against a control plane process, and a sidecar process beside nothing. */
const folder = mkdtempSync(join(tmpdir(), 'weft-mesh-'));
let controlPlane: Running;
let server: string;
let grpc: string;

beforeAll(async () => {
  const state = join(folder, 'state');
  controlPlane = startWeft(['control-plane', '--state', state, '--api', '127.0.0.1:0', '--grpc', '127.0.0.1:0']);
  ({ api: server, grpc } = await controlPlane.line(listening));
}, 60_000);
afterAll(async () => {
  await controlPlane.end();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function listening(line: string): Record<'api' | 'grpc' | 'admin', string> | undefined {
  return line.startsWith('{"event":"listening"') ? JSON.parse(line) : undefined;
}

const weft = (...args: string[]) => runWeft(args, { env: { WEFT_SERVER: server, WEFT_AUTHOR: 'ann' } });

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const service = (name: string): string => `apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: {}
`;
const timeout = (request: string): string => `apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: web }
spec:
  targetRefs: [{ kind: Service, name: web }]
  request: ${request}
`;

/** What depends on time, made the same for every run. */
const timeless = (text: string): string => text.replace(/\b\d+s\b/g, (age) => 'Ns'.padStart(age.length));

test('a mesh is changed, looked at, compared and rolled back', async () => {
  const path = file('mesh.yaml', `${service('web')}---\n${timeout('3s')}`);
  const dry = await weft('apply', path, '--dry-run');
  expect(dry).toMatchObject({ code: 0, stderr: '' });
  expect(dry.stdout).toMatch(/^\+ Service default\/web\n(?:.*\n)*2 to create; nothing was applied\n$/);
  expect((await weft('get')).stderr).toBe("no resources; 'weft apply FILE' makes some\n");

  expect(await weft('apply', path, '-m', 'a start', '--wait')).toEqual({
    code: 0,
    stdout: 'revision 1: 2 created\n',
    stderr: '',
  });
  expect((await weft('apply', path)).stdout).toBe('no changes; the mesh is at revision 1\n');

  file('mesh.yaml', `${service('web')}---\n${timeout('5s')}`);
  expect(await weft('diff', path)).toEqual({
    code: 1,
    stdout: '~ TimeoutPolicy default/web\n    - spec.request: "3s"\n    + spec.request: "5s"\n1 to update\n',
    stderr: '',
  });
  expect((await weft('apply', '-f', path, '-m', 'more time')).stdout).toBe('revision 2: 1 updated\n');
  expect(await weft('diff', path)).toMatchObject({ code: 0, stdout: 'no changes\n' });

  expect(timeless((await weft('history')).stdout)).toBe(
    [
      'REVISION  AGE  AUTHOR  CHANGED    MESSAGE',
      '       2   Ns  ann     1 updated  more time',
      '       1   Ns  ann     2 created  a start',
      '',
    ].join('\n'),
  );
  expect((await weft('history', '2')).stdout).toMatch(
    /^revision 2 by ann at .*\nmore time\n~ TimeoutPolicy default\/web\n/,
  );

  expect((await weft('rollback', '1')).stdout).toBe('revision 3: 1 updated\n');
  expect((await weft('diff', '--from', '1')).code).toBe(0);
  const backwards = await weft('diff', '--from', '2', '--to', '1');
  expect(backwards).toMatchObject({ code: 1 });
  expect(backwards.stdout).toContain('+ spec.request: "3s"');
  expect((await weft('rollback', '99')).code).toBe(1);
}, 60_000);

test('get shows tables to people, and to programs what can be applied again', async () => {
  await weft('apply', file('get.yaml', `${service('web')}---\n${timeout('3s')}`));
  expect((await weft('get')).stdout).toBe(
    [
      'KIND           NAMESPACE  NAME  FOR',
      'Service        default    web   -',
      'TimeoutPolicy  default    web   Service web',
      '',
    ].join('\n'),
  );
  expect(JSON.parse((await weft('get', '-o', 'json')).stdout)).toMatchObject({ kind: 'List', items: [{}, {}] });
  for (const output of ['yaml', 'json'])
    expect(await weft('apply', file(`again.${output}`, (await weft('get', '-o', output)).stdout))).toMatchObject({
      stdout: expect.stringContaining('no changes'),
      code: 0,
    });
  expect((await weft('get', 'timeoutpolicies', 'web', '-o', 'yaml')).stdout).toContain('request: 3s');
  expect((await weft('get', '--effective', 'web')).stdout).toMatch(
    /^TimeoutPolicy +request +3s +TimeoutPolicy default\/web$/m,
  );
  expect(await weft('get', 'service', 'nobody')).toMatchObject({
    code: 1,
    stderr: "weft: no Service default/nobody; 'weft get service' lists what there is\n",
  });
}, 60_000);

test('what the control plane refuses points into the file, and nothing is changed', async () => {
  const before = (await weft('history', '-l', '1')).stdout;
  const route = `${service('shop')}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop }
spec:
  parentRefs: [{ kind: Service, group: '', name: shop }]
  rules:
    - backendRefs: [{ name: nobody, port: 80 }]
`;
  const path = file('route.yaml', route);
  const { code, stdout, stderr } = await weft('apply', file('other.yaml', timeout('4s')), path);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(new RegExp(`^${path}:12:21: spec\\.rules\\[0\\]\\.backendRefs\\[0\\].*nobody`));
  expect(stderr).toMatch(/1 problem; nothing was changed\n$/);
  expect(timeless((await weft('history', '-l', '1')).stdout)).toBe(timeless(before));
}, 60_000);

test('delete takes names or files, and says when there was nothing', async () => {
  await weft('apply', file('gone.yaml', `${service('gone')}---\n${service('gone2')}`));
  expect((await weft('delete', 'service', 'gone', '--dry-run')).stdout).toContain('1 to delete; nothing was applied');
  expect((await weft('delete', 'Service', 'gone')).stdout).toMatch(/^revision \d+: 1 deleted\n$/);
  expect((await weft('delete', '-f', file('gone2.yaml', service('gone2')))).stdout).toMatch(/1 deleted/);
  expect((await weft('get', 'service', 'gone')).code).toBe(1);
}, 60_000);

test('what others still need is not deleted, and they are named', async () => {
  const policy = `apiVersion: weft.dev/v1
kind: RetryPolicy
metadata: { name: needy }
spec: { targetRefs: [{ kind: Service, name: needed }], retries: 1 }
`;
  await weft('apply', file('needed.yaml', `${service('needed')}---\n${policy}`));
  const { code, stdout, stderr } = await weft('delete', 'service', 'needed');
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^weft: .*nothing was applied\n {2}.*RetryPolicy default\/needy/);
  await weft('delete', 'retrypolicy', 'needy');
  expect((await weft('delete', 'service', 'needed')).code).toBe(0);
}, 60_000);

test('a sidecar joins with a token of the CLI and is waited for', async () => {
  await weft('apply', file('web.yaml', service('web')));
  const { stdout: token, stderr, code } = await weft('token', 'create', 'web');
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/^for spiffe:\/\/mesh\.local\/ns\/default\/sa\/web, good once/),
  ]);
  const any = '127.0.0.1:0';
  const flags = ['--inbound', any, '--outbound', any, '--admin', any, '--state', join(folder, 'web')];
  const app = ['--app', server.replace('http://', '')];
  const join_ = ['--control-plane', grpc, '--token-file', file('web.token', token), '--instance', 'web-1'];
  const sidecar = startWeft(['sidecar', '--service', 'web', ...app, ...flags, ...join_]);
  try {
    await sidecar.line(listening);
    expect(await weft('apply', file('web.yaml', `${service('web')}---\n${timeout('7s')}`), '--wait=10s')).toMatchObject(
      { code: 0 },
    );
    expect(JSON.parse((await weft('proxies', '-o', 'json')).stdout)).toMatchObject([
      { instance: 'web-1', service: 'web', connected: true },
    ]);
    expect((await weft('proxies')).stdout).toMatch(/^default\/web +web-1 +SYNCED +\d+ +\d+s +(?:yes|no) +-$/m);
    expect((await weft('services', '-o', 'wide')).stdout).toMatch(/^NAMESPACE +NAME +PORTS +ENDPOINTS +ADDRESSES$/m);
    expect(JSON.parse((await weft('edges', '-o', 'json')).stdout)).toEqual([]);
    const doctor = await weft('doctor');
    expect(doctor.stdout).toContain('✓ 1 sidecar runs what it should');
    expect(doctor.stdout).toContain('✓ root certificate is good for');
    expect(JSON.parse((await weft('doctor', '-o', 'json')).stdout).checks.length).toBeGreaterThan(5);
  } finally {
    await sidecar.end();
  }
}, 60_000);
