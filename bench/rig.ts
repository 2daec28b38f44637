// Everything that a run starts: processes, each on its CPU, and a folder for their files. Nothing of it outlives the rig.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** Proxies run alone on CPU 0; load generator, backend and the bench itself share CPU 1. */
export type Place = 'proxy' | 'load';
const cpuOf: Readonly<Record<Place, string>> = { proxy: '0', load: '1' };

export interface Started {
  readonly name: string;
  readonly pid: number;
  /** The end of what it wrote to stdout and stderr. */
  output(): string;
  /** Throws when it has ended by itself. */
  check(): void;
  /** SIGKILL unless told otherwise: how a proxy drains is not measured here, and some wait half a minute. */
  stop(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

/** Gets each line that a process writes to stdout. */
type OnLine = (line: string) => void;

interface More {
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: OnLine;
}

/** As much of a process's output as a message about its failure needs. */
const outputKept = 16_384;

/**
 * The line of a process's output that says what went wrong: the head of an exception, or else the first line that speaks of
 * an error, or else the last. What V8 traces does not count.
 */
export function gist(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !/^\[\d+:0x/.test(line));
  const thrown = lines.find((line) => /^\w*Error\b.*:/.test(line));
  return (thrown ?? lines.find((line) => /\berror\b/i.test(line)) ?? lines.at(-1) ?? '').trim().slice(0, 400);
}

/** Whether a program can be started by its name. */
export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  /** Why processes are not pinned, or undefined when they are. */
  readonly unpinned: string | undefined;
  readonly #children = new Map<ChildProcess, Promise<void>>();
  readonly #prefix: Readonly<Record<Place, readonly string[]>>;
  #closing = false;

  constructor() {
    if (availableParallelism() < 2) this.unpinned = 'there is one CPU only';
    else if (!isInstalled('taskset')) this.unpinned = 'taskset is not installed';
    const pinned = this.unpinned === undefined;
    if (pinned) execFileSync('taskset', ['-a', '-p', '-c', cpuOf.load, String(process.pid)], { stdio: 'ignore' });
    // The kernel ends the children even when the bench itself is killed and cannot.
    const bound = isInstalled('setpriv') ? ['setpriv', '--pdeathsig', 'KILL', '--'] : [];
    const prefix = (place: Place) => [...bound, ...(pinned ? ['taskset', '-c', cpuOf[place]] : [])];
    this.#prefix = { proxy: prefix('proxy'), load: prefix('load') };
  }

  /** Starts a process that runs until it is stopped or the rig closed. */
  start(name: string, command: readonly string[], place: Place, more: More = {}): Started {
    const { child, ended, output } = this.#spawn(command, place, more);
    return {
      name,
      pid: child.pid ?? -1,
      output,
      check: () => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
          throw new Error(`${name} ended (${child.signalCode ?? child.exitCode ?? 'not started'}): ${gist(output())}`);
      },
      stop: async (signal = 'SIGKILL') => {
        child.kill(signal);
        await ended;
      },
    };
  }

  /**
   * Runs a program to its end and gives what it wrote to stdout. Throws when it fails, or has not ended after `limitS`
   * seconds.
   */
  async run(program: string, args: readonly string[], place: Place, limitS: number, onLine?: OnLine): Promise<string> {
    const lines: string[] = [];
    const { child, ended, output } = this.#spawn([program, ...args], place, {
      onLine: (line) => {
        lines.push(line);
        onLine?.(line);
      },
    });
    const limit = setTimeout(() => child.kill('SIGKILL'), limitS * 1000);
    await ended;
    clearTimeout(limit);
    if (child.exitCode === 0) return lines.join('\n');
    const why = child.signalCode === 'SIGKILL' ? `did not end within ${limitS} s` : gist(output()) || 'failed';
    throw new Error(`${basename(program)} ${args.map((arg) => basename(arg)).join(' ')}: ${why}`);
  }

  /** Ends what a step started that then failed half-way. */
  async undo(step: () => Promise<void>): Promise<void> {
    const before = new Set(this.#children.keys());
    try {
      await step();
    } catch (error) {
      const since = [...this.#children].filter(([child]) => !before.has(child));
      for (const [child] of since) child.kill('SIGKILL');
      await Promise.all(since.map(([, ended]) => ended));
      throw error;
    }
  }

  #spawn(command: readonly string[], place: Place, more: More) {
    if (this.#closing) throw new Error('the bench is ending');
    const [program, ...args] = [...this.#prefix[place], ...command];
    const child = spawn(program!, args, {
      cwd: this.folder,
      env: { ...process.env, ...more.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const onText = (text: string): void => {
      output += text;
      if (output.length <= outputKept) return;
      // From the next whole line, if there is one.
      output = output.slice(-outputKept);
      output = output.slice(output.indexOf('\n') + 1);
    };
    child.stdout.setEncoding('utf8').on('data', onText);
    if (more.onLine !== undefined) createInterface({ input: child.stdout }).on('line', more.onLine);
    child.stderr.setEncoding('utf8').on('data', onText);
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        onText(error.message);
        resolve();
      });
      child.once('close', () => resolve());
    }).finally(() => this.#children.delete(child));
    this.#children.set(child, ended);
    return { child, ended, output: () => output };
  }

  /** Ends every process at once, without waiting: for the last moment of this one. */
  kill(): void {
    this.#closing = true;
    for (const child of this.#children.keys()) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    this.#closing = true;
    const ended = [...this.#children.values()];
    for (const child of this.#children.keys()) child.kill('SIGKILL');
    await Promise.all(ended);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A port of the loopback that was free a moment ago: the peers cannot choose one and tell. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Asks what listens on a port, and says `ok` or what came instead. */
export type Ask = (port: number) => Promise<string>;

/** Asks until the answer is `ok`. Milliseconds it took; throws after 15 s or when the process ends. */
export async function untilOk(
  process: Pick<Started, 'name' | 'check' | 'output'>,
  port: number,
  ask: Ask,
): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const answer = await ask(port);
    const took = performance.now() - begin;
    if (answer === 'ok') return took;
    process.check();
    if (took > 15_000) throw new Error(`${process.name} is not ready (${answer}): ${gist(process.output())}`);
    await delay(4);
  }
}
