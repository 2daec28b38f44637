import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import { startGuardian } from './guardian.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-child-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie still has a pid, but runs no more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
};

const gone = async (pid: number): Promise<void> => {
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
};

/** Starts a shell script and gives, one after the other, the lines that it prints. */
function startScript(name: string, script: string) {
  const guardian = startGuardian();
  const deaths: string[] = [];
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  const child: Child = startChild(
    {
      name,
      command: () => ['/bin/sh', '-c', script],
      env: process.env,
      logFile: join(folder, `${name}.log`),
      onLine: (line) => (waiting.shift() ?? ((text: string) => lines.push(text)))(line),
    },
    guardian,
    { onDeath: (_, how) => deaths.push(how) },
  );
  const next = () =>
    new Promise<string>((resolve) => (lines.length > 0 ? resolve(lines.shift()!) : waiting.push(resolve)));
  const close = async () => {
    await child.stop(1000);
    await guardian.close();
  };
  return { child, deaths, next, close };
}

test('a process that is killed is started again, and the log says so', async () => {
  const { child, deaths, next, close } = startScript('killed', 'echo $$; exec sleep 60');
  const first = Number(await next());
  expect(child.pid).toBe(first);
  process.kill(first, 'SIGKILL');
  const second = Number(await next());
  expect(second).not.toBe(first);
  expect(deaths).toEqual(['ended by SIGKILL']);
  await close();
  expect(alive(second)).toBe(false);
  expect(readFileSync(join(folder, 'killed.log'), 'utf8')).toMatch(/ended by SIGKILL; starting it again in 100ms/);
});

test('stopping ends what the process started too, even what ignores SIGTERM', async () => {
  const { next, close } = startScript(
    'family',
    `trap '' TERM; sh -c 'trap "" TERM; echo $$; sleep 60; sleep 60' & wait; wait`,
  );
  const grandchild = Number(await next());
  expect(alive(grandchild)).toBe(true);
  await close();
  await gone(grandchild);
});

test('a program that does not exist is reported, again and again', async () => {
  const guardian = startGuardian();
  const died = Promise.withResolvers<string>();
  const child = startChild(
    {
      name: 'nothing',
      command: () => ['weft-no-such-program'],
      env: process.env,
      logFile: join(folder, 'nothing.log'),
    },
    guardian,
    { onDeath: (_, how) => died.resolve(how) },
  );
  expect(await died.promise).toBe("there is no program 'weft-no-such-program'");
  await child.stop(100);
  await guardian.close();
});

test('when the process that watches over others is killed with -9, nothing of them is left', async () => {
  const script = `
    import { startChild } from '${join(import.meta.dirname, 'child.ts')}';
    import { startGuardian } from '${join(import.meta.dirname, 'guardian.ts')}';
    startChild({ name: 'orphan', command: () => ['/bin/sh', '-c', 'echo $$; exec sleep 60'], env: process.env,
      logFile: '${join(folder, 'orphan.log')}', onLine: (line) => console.log(line) }, startGuardian(), { onDeath() {} });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text) => resolve(Number(text))));
  expect(alive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await gone(pid);
});
