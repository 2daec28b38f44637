import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let dir: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-main-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

const entry = join(import.meta.dirname, 'main.ts');

/** Runs the program as `weft control-plane` does. */
function run(...flags: string[]) {
  const script = `import { runControlPlane } from ${JSON.stringify(entry)}; process.exitCode = await runControlPlane(process.argv.slice(1), process.env);`;
  const options = ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0060', '--input-type=module'];
  const child = spawn(process.execPath, [...options, '--eval', script, '--', ...flags], {
    env: { PATH: process.env.PATH, HOME: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    said.out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said.err += String(chunk);
  });
  const exited = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, ...said })),
  );
  return {
    child,
    exited,
    /** Resolves with what the line says with which it tells that it listens. */
    ready: () =>
      new Promise<{ api: string; grpc: string }>((resolve, reject) => {
        child.stdout.on('data', () => {
          if (said.out.includes('\n')) resolve(JSON.parse(said.out.split('\n')[0]!));
        });
        child.on('close', () => reject(new Error(said.err)));
      }),
  };
}

const free = (): string[] => ['--api', ':0', '--grpc', ':0', '--state', join(dir, 'state')];

test.each(['SIGTERM', 'SIGINT'] as const)('it says where it listens, serves, and ends with 0 on %s', async (signal) => {
  const started = run(...free());
  const { api, grpc } = await started.ready();
  expect(grpc).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  expect(await (await fetch(`${api}/readyz`)).json()).toEqual({ status: 'ready' });
  started.child.kill(signal);
  expect(await started.exited).toMatchObject({ code: 0 });
});

test('a second one on the same state or port says so in one line and ends with 3', async () => {
  const first = run(...free());
  const { api } = await first.ready();
  const sameState = await run(...free()).exited;
  expect(sameState).toMatchObject({ code: 3, out: '' });
  expect(linesOf(sameState.err)).toEqual([expect.stringMatching(/^weft control-plane: .*another/)]);
  const samePort = await run(...free(), '--state', join(dir, 'other'), '--api', api.slice('http://'.length)).exited;
  expect(samePort).toMatchObject({ code: 3, out: '' });
  expect(linesOf(samePort.err)).toEqual([expect.stringMatching(/^weft control-plane: 127\.0\.0\.1:\d+ is taken/)]);
  expect((await fetch(`${api}/healthz`)).status).toBe(200);
});

/** What it said besides its log. */
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('{'));

test('wrong flags are all told, and end it with 2', async () => {
  const { code, out, err } = await run('--api', '0.0.0.0:1', '--stroe', 'consul').exited;
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(linesOf(err)).toEqual([
    expect.stringMatching(/^weft control-plane: --stroe: is not known, did you mean store\?/),
    expect.stringMatching(/^weft control-plane: consul: /),
    expect.stringMatching(/^weft control-plane: --api: /),
  ]);
});

test('--help lists every flag and ends with 0', async () => {
  const { code, out } = await run('--help').exited;
  expect(code).toBe(0);
  for (const name of ['--api', '--grpc', '--state', '--store', '--trust-domain', '--config'])
    expect(out).toContain(name);
});

test('what was acknowledged is there after kill -9', async () => {
  const first = run(...free());
  const { api } = await first.ready();
  const resource = {
    apiVersion: 'weft.dev/v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { ports: [{ port: 80 }] },
  };
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ resources: [resource] });
  expect((await fetch(`${api}/v1/apply`, { method: 'POST', headers, body })).status).toBe(200);
  first.child.kill('SIGKILL');
  await first.exited;
  const { api: again } = await run(...free()).ready();
  expect(await (await fetch(`${again}/v1/status`)).json()).toMatchObject({ revision: 1 });
});
