import { spawn } from 'node:child_process';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

/** One series of the answer to a query, now. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusServer {
  query(expr: string): Promise<readonly Series[]>;
  /** GET of its API, such as `targets` or `rules`; gives the data. */
  api<T>(path: string): Promise<T>;
  close(): Promise<void>;
}

/** Starts a real Prometheus with `prometheus.yml` of this folder; ready when this resolves. `program`: its path. */
export async function startPrometheus(program: string, folder: string): Promise<PrometheusServer> {
  const port = await freePort();
  const child = spawn(
    program,
    [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: {} },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const base = `http://127.0.0.1:${port}`;
  const api = async <T>(path: string): Promise<T> => {
    const answer = await fetch(`${base}/api/v1/${path}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  };
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await eventually('Prometheus is ready', async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus has ended: ${said}`);
      const answer = await fetch(`${base}/-/ready`).catch(() => undefined);
      return answer?.ok ? true : undefined;
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    api,
    async query(expr) {
      const { result } = await api<{
        readonly result: readonly { readonly metric: Series['metric']; readonly value: readonly [number, string] }[];
      }>(`query?query=${encodeURIComponent(expr)}`);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    close,
  };
}
