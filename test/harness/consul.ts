import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

export interface RunningConsul {
  /** `host:port` of its HTTP API. */
  readonly address: string;
  /** Answers of the HTTP API, as JSON; undefined for an empty body. Throws for other statuses than 2xx. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Runs the `consul` program against it and gives what it printed. */
  cli(...args: readonly string[]): Promise<string>;
  /** Kills it as a power failure would. */
  kill(): Promise<void>;
  /** Starts it again on the same ports, with its data when it is persistent. */
  restart(): Promise<void>;
  /** Stops and continues its process: connections stay open, and no answer comes. Resolves when all of it stands. */
  pause(): Promise<void>;
  resume(): void;
  /** From now on it can write nothing more to its files, as on a full disk, until it is started again. Takes the path of `prlimit`. */
  fillDisk(prlimit: string): void;
  close(): Promise<void>;
}

/**
 * Starts a Consul agent of its own on free ports: in memory, or, when it is `persistent`, a server with its data on disk.
 * `program`: its path, as `findTool` gives it. With a `token` (a UUID) it refuses whoever does not send it;
 * `hcl` is more of its configuration.
 */
export async function startConsul(
  program: string,
  { persistent = false, token = '', hcl = '' } = {},
): Promise<RunningConsul> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-consul-'));
  const [http, server, serf] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = [`-http-port=${http}`, `-server-port=${server}`, `-serf-lan-port=${serf}`];
  const off = ['-serf-wan-port=-1', '-dns-port=-1', '-grpc-port=-1', '-grpc-tls-port=-1'];
  const fast = ['-hcl', 'performance { raft_multiplier = 1 } leave_on_terminate = false'];
  const kind = persistent ? ['-server', '-bootstrap-expect=1', `-data-dir=${dir}`, ...fast] : ['-dev'];
  const closed = `acl { enabled = true default_policy = "deny" tokens { initial_management = "${token}" } }`;
  const acl = token === '' ? [] : ['-hcl', closed];
  const more = hcl === '' ? [] : ['-hcl', hcl];
  const args = [
    'agent',
    ...kind,
    ...acl,
    ...more,
    ...ports,
    ...off,
    '-bind=127.0.0.1',
    '-client=127.0.0.1',
    '-log-level=err',
  ];
  const address = `127.0.0.1:${http}`;

  const start = async (): Promise<ChildProcess> => {
    const started = spawn(program, [...args, `-node=n${http}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output: string[] = [];
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk) => void output.push(String(chunk)));
    const deadline = performance.now() + 20_000;
    while (!(await hasLeader(http, token))) {
      if (started.exitCode !== null || performance.now() > deadline) {
        started.kill('SIGKILL');
        throw new Error(`consul did not start:\n${output.join('').slice(-3000)}`);
      }
      // Consul has no event for this, so it is asked again and again.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return started;
  };
  let child = await start();
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };

  return {
    address,
    api: (method, path, body) => call(http, token, method, path, body),
    async cli(...words) {
      const run = spawn(program, words, {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, CONSUL_HTTP_ADDR: address, CONSUL_HTTP_TOKEN: token },
      });
      const printed: Buffer[] = [];
      run.stdout.on('data', (chunk) => void printed.push(chunk));
      await once(run, 'close');
      return Buffer.concat(printed).toString();
    },
    kill,
    async restart() {
      await kill();
      child = await start();
    },
    async pause() {
      child.kill('SIGSTOP');
      await until('every thread of it stands', () => threadStates(child.pid!).every((state) => state === 'T'));
    },
    resume: () => void child.kill('SIGCONT'),
    fillDisk: (prlimit) => void execFileSync(prlimit, [`--pid=${child.pid}`, '--fsize=1']),
    async close() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function call(port: number, token: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, method, path: `/v1${path}`, headers: { 'x-consul-token': token }, agent: false },
      async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        const ok = response.statusCode! >= 200 && response.statusCode! < 300;
        if (ok) resolve(text === '' ? undefined : JSON.parse(text));
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
      },
    );
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function hasLeader(port: number, token: string): Promise<boolean> {
  try {
    // Writable, not only elected: a session of the agent's own node needs both the leader and the catalog.
    const nodes = await call(port, token, 'GET', '/catalog/nodes?consistent');
    return Array.isArray(nodes) && nodes.length > 0;
  } catch (thrown) {
    // Not up yet, or without a leader: both are what the caller asks about.
    return thrown === undefined;
  }
}

/** As the kernel tells them, where it does: a signal reaches one thread after the other. */
function threadStates(pid: number): string[] {
  if (!existsSync('/proc/self/stat')) return [];
  const stats = globSync(`/proc/${pid}/task/*/stat`).map((file) => readFileSync(file, 'utf8'));
  return stats.map((stat) => stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3));
}
