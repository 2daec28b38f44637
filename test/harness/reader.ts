import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { type Block, commandsOf, root } from './pages.ts';
import { cleanEnv, type Running, startProgram, weftBin } from './weft.ts';

/** Commands that go on until they are ended, and the line by which they can be used. */
const goesOn: readonly (readonly [command: RegExp, ready: RegExp])[] = [
  [/^npm start$/, /^Output of the processes/],
  [/^bin\/weft up /, /The mesh runs/],
  [/^bin\/weft (?:control-plane|sidecar) /, /"event":"listening"/],
  [/^(?:\w+=\S+ )+node /, /listens on port/],
];

/** However busy the machine is: a command, or the start of what goes on. */
const patienceMs = 30_000;

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** Folder, processes and ports of one mesh that a page speaks of. */
export class Reader {
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-docs-'));
  readonly #running: Running[] = [];
  readonly #ports = new Map<string, number | string>();
  readonly #env: NodeJS.ProcessEnv;
  readonly #notRun: Readonly<Record<string, string>>;

  private constructor(env: NodeJS.ProcessEnv, notRun: Readonly<Record<string, string>>) {
    this.#env = env;
    this.#notRun = notRun;
  }

  static async open(notRun: Readonly<Record<string, string>>): Promise<Reader> {
    const [api, grpc] = [await freePort(), await freePort()];
    const reader = new Reader(
      {
        WEFT_SERVER: `http://127.0.0.1:${api}`,
        WEFT_API: `127.0.0.1:${api}`,
        WEFT_GRPC: `127.0.0.1:${grpc}`,
      },
      notRun,
    );
    reader.#ports.set('7080', api).set('7443', grpc);
    // A copy, because readers edit; the program itself is the one of this checkout.
    cpSync(join(root, 'examples'), join(reader.folder, 'examples'), { recursive: true });
    mkdirSync(join(reader.folder, 'bin'));
    symlinkSync(weftBin, join(reader.folder, 'bin/weft'));
    return reader;
  }

  /** Runs every command of a block. Fails with the place of the first one that does not do what the page says. */
  async follow(block: Block): Promise<void> {
    for (const command of commandsOf(block)) {
      if (Object.hasOwn(this.#notRun, command.text)) continue;
      const place = `${block.page}: ${command.text}`;
      const daemon = goesOn.find(([pattern]) => pattern.test(command.text));
      if (daemon !== undefined) await this.#start(await this.#located(command.text), daemon[1]);
      else {
        const { code, output } = await this.#run(await this.#located(command.text));
        if (code !== command.code) throw new Error(`${place}\nended with ${code}, not ${command.code}:\n${output}`);
      }
    }
  }

  async close(): Promise<void> {
    for (const running of this.#running.reverse()) await running.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The command with free ports in the place of those that are written, each always the same. */
  async #located(command: string): Promise<string> {
    for (const [, port] of command.matchAll(/(?:127\.0\.0\.1:|\bPORT=)(\d+)/g))
      if (!this.#ports.has(port!)) this.#ports.set(port!, await freePort());
    const located = (text: string): string =>
      text.replaceAll(/(127\.0\.0\.1(?::|, port: )|\bPORT=)(\d+)/g, (whole, before, port) => {
        const other = this.#ports.get(port);
        return other === undefined ? whole : `${before}${other}`;
      });
    const file = / --config (\S+)/.exec(command)?.[1];
    if (file !== undefined) {
      const path = join(this.folder, file);
      writeFileSync(path, located(readFileSync(path, 'utf8')));
    }
    return located(command);
  }

  async #start(command: string, ready: RegExp): Promise<void> {
    const shop = command === 'npm start';
    const flags = command.startsWith('bin/weft up ')
      ? ` --api ${this.#env.WEFT_API} --grpc ${this.#env.WEFT_GRPC}`
      : '';
    // npm would leave its child behind when it is ended by a signal; that npm starts it, start.test.ts shows.
    const script = shop ? `${process.execPath} ${join(root, 'cli/start.ts')}` : command + flags;
    const running = startProgram('sh', ['-c', `exec env ${script}`], { env: this.#env, cwd: this.folder });
    this.#running.push(running);
    await within(running, ready);
    // What the pages call 40855 is the port that npm start printed.
    const visits = /http:\/\/127\.0\.0\.1:(\d+)\/ +a visit/.exec(running.output())?.[1];
    if (visits !== undefined) this.#ports.set('40855', visits);
    const admin = / --admin (\S+)/.exec(command)?.[1];
    if (admin !== undefined) await this.#untilReady(`http://${admin}/ready`, running);
  }

  async #untilReady(url: string, running: Running): Promise<void> {
    const end = Date.now() + patienceMs;
    while (!(await fetch(url)).ok) {
      if (Date.now() > end) throw new Error(`${url} is not ready:\n${running.output()}`);
      await sleep(50);
    }
  }

  async #run(command: string): Promise<Ran> {
    // curl tells of an answer from 400 on by its exit code.
    const script = `curl() { command curl -sS --fail-with-body --max-time 10 "$@"; }; ${command}`;
    const child = spawn('bash', ['-c', script], {
      cwd: this.folder,
      env: cleanEnv(this.#env),
      stdio: 'pipe',
      timeout: patienceMs,
    });
    child.stdin.end();
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }
}

/** Resolves with the line, rejects when the program ends before it or time is up. */
async function within(running: Running, ready: RegExp): Promise<void> {
  const late = new AbortController();
  const timeUp = sleep(patienceMs, undefined, { signal: late.signal }).then(() => {
    throw new Error(`no line like ${ready} in time:\n${running.output()}`);
  });
  const line = running.line((text) => (ready.test(text) ? true : undefined));
  try {
    await Promise.race([line, timeUp]);
  } finally {
    late.abort();
    // Whichever of the two has lost, nobody waits for it any more.
    await Promise.allSettled([timeUp]);
    line.catch(() => undefined);
  }
}
