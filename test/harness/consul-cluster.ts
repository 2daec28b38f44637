import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

export interface ConsulCluster {
  /** `host:port` of the HTTP API of each server. */
  readonly addresses: readonly string[];
  /** Which one leads; undefined while none does, as the server `asked` sees it. */
  leader(asked: number): Promise<number | undefined>;
  /** Kills a server as a power failure would. */
  kill(server: number): Promise<void>;
  /** Starts it again with its data. Resolves when a server leads. */
  restart(server: number): Promise<void>;
  close(): Promise<void>;
}

/** Three servers of Consul on loopback, with their data on disk. `program`: the path of `consul`. */
export async function startConsulCluster(program: string): Promise<ConsulCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-consul-cluster-'));
  const servers = await Promise.all(
    [0, 1, 2].map(async (n) => {
      const [http, raft, serf] = await Promise.all([freePort(), freePort(), freePort()]);
      return { n, http, raft, serf };
    }),
  );
  const children: (ChildProcess | undefined)[] = [];
  const start = (n: number): void => {
    const { http, raft, serf } = servers[n]!;
    const ports = [`-http-port=${http}`, `-server-port=${raft}`, `-serf-lan-port=${serf}`];
    const off = ['-serf-wan-port=-1', '-dns-port=-1', '-grpc-port=-1', '-grpc-tls-port=-1'];
    const fast = ['-hcl', 'performance { raft_multiplier = 1 } leave_on_terminate = false'];
    const others = servers.flatMap((other) => (other.n === n ? [] : [`-retry-join=127.0.0.1:${other.serf}`]));
    const data = [`-data-dir=${join(dir, String(n))}`, '-retry-interval=1s'];
    const who = ['-server', '-bootstrap-expect=3', `-node=n${n}`, '-bind=127.0.0.1', '-client=127.0.0.1'];
    children[n] = spawn(program, ['agent', ...who, ...data, ...ports, ...off, ...fast, ...others, '-log-level=err'], {
      stdio: 'ignore',
    });
  };
  const leader = async (asked: number): Promise<number | undefined> => {
    try {
      const answer = await fetch(`http://127.0.0.1:${servers[asked]!.http}/v1/status/leader`, {
        headers: { connection: 'close' },
      });
      const address = answer.ok ? ((await answer.json()) as string) : '';
      return servers.find(({ raft }) => address === `127.0.0.1:${raft}`)?.n;
    } catch (thrown) {
      // Not up: as good as without a leader.
      return thrown === undefined ? asked : undefined;
    }
  };
  const ledBy = (asked: number): Promise<number> =>
    eventually('the servers of Consul have a leader', () => leader(asked), 30_000);
  const kill = async (n: number): Promise<void> => {
    const child = children[n];
    children[n] = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(({ n }) => kill(n)));
    rmSync(dir, { recursive: true, force: true });
  };
  for (const { n } of servers) start(n);
  try {
    await Promise.all(servers.map(({ n }) => ledBy(n)));
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return {
    addresses: servers.map(({ http }) => `127.0.0.1:${http}`),
    leader,
    kill,
    async restart(n) {
      start(n);
      await ledBy(n);
    },
    close,
  };
}
