import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..', '..');
export const weftBin = join(root, 'bin', 'weft');

/** The environment of this test run without what a developer may have set for the mesh. */
export const cleanEnv = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:WEFT_(?!REQUIRE)|OTEL_|NO_COLOR|FORCE_COLOR)/.test(name)),
  ),
  ...more,
});

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of the real `weft` to its end. */
export async function runWeft(
  args: readonly string[],
  options: {
    readonly env?: NodeJS.ProcessEnv;
    readonly cwd?: string;
    readonly input?: string;
    readonly program?: string;
  } = {},
): Promise<Ran> {
  const child = spawn(options.program ?? weftBin, args, {
    cwd: options.cwd ?? root,
    env: cleanEnv(options.env),
    stdio: 'pipe',
  });
  const read = async (stream: NodeJS.ReadableStream): Promise<string> => {
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk;
    return text;
  };
  // A program that refuses its arguments may be gone before it has read anything.
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, [code]] = await Promise.all([read(child.stdout), read(child.stderr), once(child, 'close')]);
  return { code: code as number | null, stdout, stderr };
}

/** A `weft` that goes on until it is ended. */
export interface Running {
  readonly child: ChildProcess;
  /** The first line, past or to come, that `find` gives something for. Rejects when the program ends before. */
  line<T>(find: (line: string) => T | undefined): Promise<T>;
  /** Everything printed so far. */
  output(): string;
  /** The exit code, once it has ended. */
  readonly ended: Promise<number | null>;
  /** Sends the signal and waits for the end. Gives the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export function startWeft(args: readonly string[], options: { readonly env?: NodeJS.ProcessEnv } = {}): Running {
  return startProgram(weftBin, args, options);
}

export function startProgram(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly detached?: boolean } = {},
): Running {
  const child = spawn(program, args, {
    cwd: options.cwd ?? root,
    env: cleanEnv(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.detached ?? false,
  });
  const lines: string[] = [];
  const watchers = new Set<(line: string) => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const watcher of [...watchers]) watcher(line);
    });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    ended,
    output: () => lines.join('\n'),
    line: (find) =>
      new Promise((resolve, reject) => {
        const look = (line: string): void => {
          const found = find(line);
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        for (const line of lines) look(line);
        void ended.then((code) => reject(new Error(`ended with ${code} before that line:\n${lines.join('\n')}`)));
      }),
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return ended;
    },
  };
}
