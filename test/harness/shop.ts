import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Process, processes } from './processes.ts';
import { type Ran, type Running, runWeft, startProgram, weftBin } from './weft.ts';

const root = join(import.meta.dirname, '..', '..');

/** A mesh of real processes, started by `npm start` or `weft up`. */
export interface Shop {
  readonly running: Running;
  /** Address of the API of its control plane. */
  readonly server: string;
  /** Its folder: logs, certificates, store. */
  readonly state: string;
  /** host:port of the outbound listener of this instance's sidecar. */
  outbound(instance: string): string;
  /** Runs a command of the CLI against it. */
  weft(...args: readonly string[]): Promise<Ran>;
  /** The same with `-o json`; throws unless the exit code is 0. */
  json<T = unknown>(...args: readonly string[]): Promise<T>;
  /** The process now: 'control-plane', 'payments-1', 'payments-1-sidecar', …; undefined when there is none. */
  process(name: string): Process | undefined;
  signal(name: string, signal: NodeJS.Signals): number;
  log(name: string): string;
  /** Everything that its processes have printed. */
  logs(): string;
  /** Ends it, and fails when it leaves a process behind. */
  close(): Promise<void>;
}

export interface ShopOptions {
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** For `weft up`; without them the example shop is run as `npm start` does. */
  readonly files?: readonly string[];
}

/** In the environment of every process of a mesh, so that none is overlooked. */
const mark = 'MESH_OF_TEST';
const addresses = ['--api', '127.0.0.1:0', '--grpc', '127.0.0.1:0'];

/** Resolves when all sidecars are ready. */
export async function startShop({ flags = [], env: more = {}, files }: ShopOptions = {}): Promise<Shop> {
  const state = mkdtempSync(join(tmpdir(), 'weft-e2e-'));
  const own = [...addresses, '--state', state, ...flags];
  const env = { ...more, [mark]: state };
  const running =
    files === undefined
      ? startProgram(process.execPath, ['--disable-warning=DEP0060', join(root, 'cli', 'start.ts'), ...own], { env })
      : startProgram(weftBin, ['up', ...files.flatMap((file) => ['-f', file]), ...own], { env });
  const shop = shopOf(running, state, () => server);
  let server = '';
  try {
    server = await running.line((line) => /WEFT_SERVER=(http:\S+)/.exec(line)?.[1]);
    return { ...shop, server };
  } catch (error) {
    await shop.close();
    throw error;
  }
}

function shopOf(running: Running, state: string, server: () => string): Omit<Shop, 'server'> {
  const parent = running.child.pid!;
  const mine = (): readonly Process[] => processes().filter((one) => one.parent === parent);
  const log = (name: string): string => readFileSync(join(state, 'logs', `${name}.log`), 'utf8');
  const find = (name: string): Process | undefined => mine().find((one) => nameOf(one) === name);
  const weft = (...args: readonly string[]): Promise<Ran> => runWeft(args, { env: { WEFT_SERVER: server() } });
  return {
    running,
    state,
    outbound(instance) {
      const lines = log(`${instance}-sidecar`).split('\n');
      const said = lines.findLast((line) => line.includes('"event":"listening"'));
      return (JSON.parse(said!.slice(said!.indexOf('{'))) as { outbound: string }).outbound;
    },
    weft,
    async json<T>(...args: readonly string[]) {
      const { code, stdout, stderr } = await weft(...args, '-o', 'json');
      if (code !== 0) throw new Error(`weft ${args.join(' ')} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout) as T;
    },
    process: find,
    signal(name, signal) {
      const { pid } = find(name) ?? { pid: undefined };
      if (pid === undefined) {
        const others = mine().map((one) => nameOf(one) ?? one.argv.join(' '));
        throw new Error(`there is no process ${name}, only ${others.join(', ')}`);
      }
      process.kill(pid, signal);
      return pid;
    },
    log,
    logs: () =>
      readdirSync(join(state, 'logs'))
        .map((file) => readFileSync(join(state, 'logs', file), 'utf8'))
        .join(''),
    async close() {
      await running.end();
      const left = processes().filter((one) => belongsTo(one, state));
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      rmSync(state, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left behind: ${left.map(({ argv }) => argv.join(' ')).join('\n')}`);
    },
  };
}

/** Whether a process was started for the mesh in this folder. */
export const belongsTo = ({ env }: Process, state: string): boolean => env[mark] === state;

function nameOf({ argv, env }: Process): string | undefined {
  if (argv.includes('control-plane')) return 'control-plane';
  const at = argv.indexOf('--instance');
  return at >= 0 ? `${argv[at + 1]}-sidecar` : env.WEFT_INSTANCE;
}
