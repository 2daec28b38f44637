import { spawn } from 'node:child_process';
import { freePort } from './free-port.ts';

/** A span as Jaeger's query API gives it, as far as tests look. */
export interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  /** µs since 1970. */
  readonly startTime: number;
  /** µs. */
  readonly duration: number;
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
  readonly processID: string;
}

interface JaegerTrace {
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

export interface Jaeger {
  /** For OTLP over gRPC. */
  readonly otlp: string;
  /** Of the query API. */
  readonly query: string;
  /** The trace, once it has this many spans; throws when it does not within ten seconds. */
  trace(traceId: string, spans: number): Promise<JaegerTrace>;
  close(): Promise<void>;
}

const patienceMs = 10_000;
const pollMs = 50;

/**
 * Starts a real Jaeger on free loopback ports; ready when this resolves. `program`: its path, as `findTool` gives it.
 * `basePath`: where its pages are, such as `/jaeger`.
 */
export async function startJaeger(program: string, basePath = ''): Promise<Jaeger> {
  const [otlp, query, ...others] = await Promise.all(Array.from({ length: 7 }, freePort));
  const at = (port: number | undefined): string => `127.0.0.1:${port}`;
  const child = spawn(
    program,
    [
      `--collector.otlp.grpc.host-port=${at(otlp)}`,
      `--query.http-server.host-port=${at(query)}`,
      ...[
        'admin.http',
        'collector.grpc-server',
        'collector.http-server',
        'collector.otlp.http',
        'query.grpc-server',
      ].map((name, index) => `--${name}.host-port=${at(others[index])}`),
      '--log-level=error',
      ...(basePath === '' ? [] : [`--query.base-path=${basePath}`]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: {} },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));

  /** What `look` gives once it gives something. Jaeger has no event to wait for, so this asks again. */
  const eventually = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
    const until = performance.now() + patienceMs;
    let why = '';
    while (performance.now() < until && child.exitCode === null) {
      try {
        const found = await look();
        if (found !== undefined) return found;
      } catch (error) {
        why = String(error);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    throw new Error(`${what}: not within ${patienceMs} ms; ${why} ${said}`);
  };

  const base = `http://${at(query)}${basePath}`;
  await eventually('Jaeger starts', async () => ((await fetch(`${base}/api/services`)).ok ? true : undefined));
  return {
    otlp: `http://${at(otlp)}`,
    query: base,
    trace: (traceId, spans) =>
      eventually(`a trace of ${spans} spans`, async () => {
        const answer = await fetch(`${base}/api/traces/${traceId}`);
        if (!answer.ok) return undefined;
        const { data } = (await answer.json()) as { data: readonly JaegerTrace[] };
        return data.find((trace) => trace.spans.length >= spans);
      }),
    async close() {
      // It keeps everything in memory, and would take ten seconds to say goodbye.
      child.kill('SIGKILL');
      await exited;
    },
  };
}
