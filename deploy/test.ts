// `npm test [-- PATH…]`: everything that CI runs, step by step; with PATH only the jest tests there. The last line counts:
// each jest test is one, and so is each other step. Skipped tests say why; with WEFT_REQUIRE_TOOLS=1 they count as failed.
import { type ChildProcess, spawn } from 'node:child_process';
import { join, relative } from 'node:path';
import type { Told } from '../test/reporter.ts';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

/** A step that takes longer hangs: it is ended, and fails. */
const STEP_MS = 180_000;
/** The same for one file of jest tests; each test has its own, shorter limit. */
const FILE_MS = 240_000;
/** The same for all of jest. */
const JEST_MS = 720_000;

interface Step {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
}

const before: readonly Step[] = [
  { name: 'types', command: [bin('tsc')] },
  { name: 'lint and format', command: [bin('biome'), 'check', '--error-on-warnings', '.'] },
  { name: 'unused code', command: [bin('knip')] },
];
const after: readonly Step[] = [
  { name: 'fuzz, briefly', command: [process.execPath, 'test/fuzz/main.ts', '--for', '20s'] },
  { name: 'build', command: [process.execPath, 'deploy/build.ts'] },
  { name: 'the build runs', command: [process.execPath, 'dist/weft.js', 'version'] },
];
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=DEP0060',
  join(root, 'node_modules/jest/bin/jest.js'),
  '--reporters=<rootDir>/test/reporter.ts',
  '--maxWorkers=2',
];

const count = { passed: 0, failed: 0, skipped: 0 };
const skips: string[] = [];
const strict = process.env.WEFT_REQUIRE_TOOLS === '1';

let underWay: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (underWay !== undefined) endGroup(underWay);
    process.exit(1);
  });

const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const since = (start: number): string => `${((performance.now() - start) / 1000).toFixed(1)} s`.padStart(8);
const verdict = (good: boolean, start: number, what: string): boolean =>
  say(`${good ? '✓' : '✗'} ${since(start)}  ${what}`);

/** Everything that a step has started is in a group of its own, and ends with it. */
function endGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function start(command: readonly string[], stdio: 'pipe' | 'ipc'): ChildProcess {
  const [program, ...args] = command;
  const child = spawn(program!, args, {
    cwd: root,
    detached: true,
    stdio: stdio === 'ipc' ? ['ignore', 'ignore', 'inherit', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  });
  underWay = child;
  return child;
}

const endOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));

async function runStep({ name, command }: Step): Promise<void> {
  const started = performance.now();
  const child = start(command, 'pipe');
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  const limit = setTimeout(() => {
    output += `\nno end after ${STEP_MS / 1000} s\n`;
    endGroup(child);
  }, STEP_MS);
  const good = (await endOf(child)) === 0;
  clearTimeout(limit);
  count[good ? 'passed' : 'failed']++;
  verdict(good, started, name);
  if (!good) say(output);
}

async function runJest(paths: readonly string[]): Promise<void> {
  const child = start([process.execPath, ...jest, ...paths], 'ipc');
  const running = new Map<string, { readonly started: number; readonly limit: NodeJS.Timeout }>();
  let files = 0;
  const failedBefore = count.failed;
  const hangs = (what: () => string, ms: number): NodeJS.Timeout =>
    setTimeout(() => {
      count.failed++;
      say(`✗ ${what()} hangs: no end after ${ms / 1000} s; what follows did not run`);
      endGroup(child);
    }, ms);
  const all = hangs(() => `jest, at ${[...running.keys()].join(' and ')},`, JEST_MS);
  child.on('message', (told: Told) => {
    const path = relative(root, told.path);
    if (told.event === 'start') {
      const limit = hangs(() => path, FILE_MS);
      running.set(path, { started: performance.now(), limit });
      return;
    }
    const { started, limit } = running.get(path)!;
    clearTimeout(limit);
    running.delete(path);
    files++;
    count.passed += told.passed;
    count.failed += told.failed;
    count.skipped += told.skipped.length;
    verdict(told.failed === 0, started, `${path}  ${told.passed} passed`);
    if (told.failed > 0) say([told.problem, ...told.printed].join('\n'));
    if (told.skipped.length > 0)
      skips.push(`  ${told.skipped.length} in ${path}: ${told.reasons.join('; ') || told.skipped.join('; ')}`);
  });
  const code = await endOf(child);
  clearTimeout(all);
  for (const { limit } of running.values()) clearTimeout(limit);
  endGroup(child);
  if (files === 0 || (code !== 0 && count.failed === failedBefore)) {
    count.failed++;
    say(files === 0 ? '✗ there is no jest test' : `✗ jest ended with ${code}`);
  }
}

const paths = process.argv.slice(2);
if (paths.length > 0) await runJest(paths);
else {
  for (const step of before) await runStep(step);
  await runJest([]);
  for (const step of after) await runStep(step);
}
if (skips.length > 0) say(['', strict ? 'Skipped, which fails here:' : 'Skipped:', ...skips].join('\n'));
if (strict) count.failed += count.skipped;
say(
  `\n${count.passed} passed, ${count.failed} failed${count.skipped > 0 && !strict ? `, ${count.skipped} skipped` : ''}`,
);
process.exitCode = count.failed === 0 ? 0 : 1;
