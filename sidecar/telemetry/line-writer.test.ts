import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { manualClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { startLineWriter } from './line-writer.ts';

test('lines are written in one batch a tenth of a second after the first', async () => {
  const clock = manualClock();
  const batches: string[] = [];
  const writer = startLineWriter({
    clock,
    log: silentLog,
    write(octets, done) {
      batches.push(octets.toString());
      done();
    },
  });
  writer.line('a\n');
  writer.line('b\n');
  expect(batches).toEqual([]);
  clock.advance(100);
  expect(batches).toEqual(['a\nb\n']);
  writer.line('c\n');
  await writer.close();
  expect(batches).toEqual(['a\nb\n', 'c\n']);
});

test('behind a reader that does not read, memory is bounded and what is given up is counted', async () => {
  const clock = manualClock();
  const warnings: string[] = [];
  let octetsHeld = 0;
  const writer = startLineWriter({
    clock,
    log: { ...silentLog, warn: (event) => void warnings.push(event) },
    write(octets) {
      octetsHeld += octets.length;
    },
  });
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 5000; i++) writer.line(line);
  expect(octetsHeld).toBeLessThan((1 << 16) + 1000);
  expect(writer.dropped()).toBeGreaterThanOrEqual(5000 - (1 << 20) / 1000);
  expect(writer.dropped()).toBeLessThan(5000);
  expect(warnings).toHaveLength(1);
  const closing = writer.close();
  clock.advance(1000);
  await closing;
});

test('a write that fails is counted line by line and does not stop the next', () => {
  const clock = manualClock();
  const results = [new Error('no space left on device'), null];
  const written: string[] = [];
  const writer = startLineWriter({
    clock,
    log: silentLog,
    write(octets, done) {
      written.push(octets.toString());
      done(results.shift());
    },
  });
  writer.line('a\n');
  writer.line('b\n');
  clock.advance(100);
  expect(writer.dropped()).toBe(2);
  writer.line('c\n');
  clock.advance(100);
  expect(writer.dropped()).toBe(2);
  expect(written).toEqual(['a\nb\n', 'c\n']);
});

/** Logs 20 MB to its standard output, then says on standard error what it cost, and ends. */
const program = `
  import { systemClock } from '${join(import.meta.dirname, '../../lib/clock.ts')}';
  import { silentLog } from '${join(import.meta.dirname, '../../lib/log.ts')}';
  import { standardOutput, startLineWriter } from '${join(import.meta.dirname, 'line-writer.ts')}';
  const writer = startLineWriter({ write: standardOutput(), clock: systemClock, log: silentLog });
  const line = 'x'.repeat(999) + '\\n';
  let worst = 0;
  for (let turn = 0; turn < 20; turn++) {
    const from = performance.now();
    for (let i = 0; i < 1000; i++) writer.line(line);
    worst = Math.max(worst, performance.now() - from);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await writer.close();
  process.stderr.write(JSON.stringify({ dropped: writer.dropped(), worst }));
  process.exit(0);
`;

test.each(['a socket', 'a pipe'])(
  '%s as standard output that nobody reads blocks neither the loop nor the end',
  async (kind) => {
    const node = [process.execPath, '--input-type=module', '-e', program];
    // The shell gives the program a real pipe, whose other end waits without reading until this test closes its input.
    const child =
      kind === 'a socket'
        ? spawn(node[0]!, node.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
        : spawn('sh', ['-c', '"$@" | { read -r _ <&3; }', 'sh', ...node], {
            stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
          });
    let said = '';
    const told = new Promise<void>((resolve) =>
      child.stderr!.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.endsWith('}')) resolve();
      }),
    );
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    await told;
    if (kind === 'a pipe') child.stdio[3]!.destroy();
    expect(await ended).toBe(kind === 'a pipe' ? 1 : 0);
    const { dropped, worst } = JSON.parse(said) as { dropped: number; worst: number };
    expect(dropped).toBeGreaterThan(18_000);
    expect(worst).toBeLessThan(1000);
  },
);

test('a reader that goes away costs lines, not the process', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  expect(JSON.parse(said)).toHaveProperty('dropped', 20_000);
});
