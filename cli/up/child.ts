import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { messageOf } from '../../lib/errors.ts';
import type { Guardian } from './guardian.ts';
import { LogFile } from './log-file.ts';

export interface ChildSpec {
  /** Unique; also the name of its log file. */
  readonly name: string;
  /** Asked before each start, so that a restart may differ (a port that is known by then). */
  readonly command: () => readonly [program: string, ...args: string[]] | Promise<readonly [string, ...string[]]>;
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Each line of its output, of either kind. */
  readonly onLine?: (line: string) => void;
}

export interface ChildEvents {
  /** A child ended that should not have; it is started again after `restartMs`. */
  onDeath(name: string, how: string, restartMs: number): void;
  /** Every line of output, for --verbose. */
  onOutput?(name: string, line: string): void;
}

/** A process that is kept running until it is told to stop. */
export interface Child {
  readonly name: string;
  /** undefined between a death and the next start. */
  readonly pid: number | undefined;
  /** SIGTERM, and SIGKILL for what is left of its process group after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const backoffMs = { first: 100, max: 5000 };
/** After a life this long, the next death counts as the first. */
const settledMs = 10_000;

/** Starts a process in a process group of its own, and again whenever it dies. */
export function startChild(spec: ChildSpec, guardian: Guardian, events: ChildEvents): Child {
  const log = new LogFile(spec.logFile);
  let running: ChildProcess | undefined;
  let stopping = false;
  let deaths = 0;
  let timer: NodeJS.Timeout | undefined;
  let onEnd: (() => void) | undefined;

  const line = (text: string): void => {
    log.write(`${new Date().toISOString()} ${text}`);
    events.onOutput?.(spec.name, text);
  };

  const died = (how: string, livedMs: number): void => {
    running = undefined;
    if (stopping) {
      onEnd?.();
      return;
    }
    deaths = livedMs > settledMs ? 1 : deaths + 1;
    const restartMs = Math.min(backoffMs.max, backoffMs.first * 2 ** (deaths - 1));
    line(`[weft up] ${how}; starting it again in ${restartMs}ms`);
    events.onDeath(spec.name, how, restartMs);
    timer = setTimeout(start, restartMs);
  };

  async function launch(): Promise<void> {
    const [program, ...args] = await spec.command();
    if (stopping) return;
    const began = performance.now();
    const child = spawn(program, args, {
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      env: spec.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    running = child;
    const { pid } = child;
    if (pid !== undefined) guardian.watch(pid);
    for (const input of [child.stdout, child.stderr])
      createInterface({ input }).on('line', (text) => {
        line(text);
        spec.onLine?.(text);
      });
    // Exactly one of the two comes first.
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (pid === undefined) died(error.code === 'ENOENT' ? `there is no program '${program}'` : error.message, 0);
    });
    child.once('exit', (code, signal) => {
      if (pid === undefined) return;
      endGroup(pid, 'SIGKILL');
      guardian.forget(pid);
      died(signal === null ? `ended with exit code ${code}` : `ended by ${signal}`, performance.now() - began);
    });
  }

  function start(): void {
    launch().catch((thrown: unknown) => died(`could not be started: ${messageOf(thrown)}`, 0));
  }
  start();

  return {
    name: spec.name,
    get pid() {
      return running?.pid;
    },
    async stop(graceMs) {
      stopping = true;
      clearTimeout(timer);
      const pid = running?.pid;
      if (pid !== undefined) {
        const ended = new Promise<void>((resolve) => {
          onEnd = resolve;
        });
        endGroup(pid, 'SIGTERM');
        const force = setTimeout(() => endGroup(pid, 'SIGKILL'), graceMs);
        await ended;
        clearTimeout(force);
      }
      log.close();
    },
  };
}

/** Signals a process and all that it started. */
function endGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Nobody is left of the group: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
