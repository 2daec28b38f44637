import type { Address } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import { formatIssue } from '../../lib/issues.ts';
import { jsonLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import type { DataPlaneOptions } from '../../sidecar/data-plane.ts';
import { defaultLimits, type Limits } from '../../sidecar/limits/limits.ts';
import {
  type RunningTelemetry,
  startTelemetry,
  type TelemetryConfig,
} from '../../sidecar/telemetry/start-telemetry.ts';
import { startWorkers, type Workers } from '../../sidecar/workers/workers.ts';
import { parsePrometheus } from './prometheus.ts';
import { inputsOf, type TestConfig } from './sidecar.ts';

export interface TestWorkersOptions extends TestConfig {
  readonly threads?: number;
  readonly app?: Address;
  readonly inbound?: Address;
  readonly outbound?: Address;
  readonly mtls?: DataPlaneOptions['mtls'];
  readonly credentials?: DataPlaneOptions['credentials'];
  readonly resolve?: DataPlaneOptions['resolve'];
  readonly readPage?: DataPlaneOptions['readPage'];
  readonly limits?: Partial<Limits>;
  readonly upstreams?: NonNullable<DataPlaneOptions['upstreams']>;
  readonly names?: boolean;
  readonly telemetry?: TelemetryConfig;
}

/** The data path of a sidecar in threads of their own. */
export interface TestWorkers extends AsyncDisposable {
  readonly workers: Workers;
  readonly telemetry: RunningTelemetry;
  readonly inbound: Address;
  readonly outbound: Address;
  /** Lines of its access log, as they were written. */
  readonly lines: readonly string[];
  /** Entries of its log. */
  readonly log: readonly { readonly event: string; readonly worker?: number; readonly problem?: string }[];
  apply(config: TestConfig): Promise<void>;
  /** Sum of a metric over the series that have these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
}

const loopback: Address = { host: '127.0.0.1', port: 0 };

export async function startTestWorkers(options: TestWorkersOptions = {}): Promise<TestWorkers> {
  const lines: string[] = [];
  const entries: { readonly event: string }[] = [];
  const log = jsonLog({ level: 'debug', write: (line) => entries.push(JSON.parse(line)) });
  const telemetry = startTelemetry({
    service: 'default/caller',
    instance: 'caller-1',
    version: 'test',
    config: {
      accessLog: 'all',
      accessLogWrite(octets, done) {
        lines.push(...octets.toString().split(/(?<=\n)/));
        setImmediate(done);
      },
      ...options.telemetry,
    },
    clock: systemClock,
    log,
  });
  const workers = await startWorkers(
    {
      namespace: 'default',
      serviceKey: 'default/caller',
      app: options.app ?? { host: '127.0.0.1', port: 1 },
      inbound: options.inbound ?? loopback,
      outbound: options.outbound ?? loopback,
      mtls: options.mtls ?? 'off',
      credentials: options.credentials,
      appTimeoutMs: Number.POSITIVE_INFINITY,
      endpointGraceMs: 0,
      maxRequestBody: Number.POSITIVE_INFINITY,
      upgrades: new Set(['websocket']),
      limits: { ...defaultLimits, ...options.limits },
      upstreams: options.upstreams ?? [],
      names: options.names ?? false,
      resolve: options.resolve ?? (() => undefined),
      readPage: options.readPage,
      telemetry,
      clock: systemClock,
      random: seededRandom(1),
      log,
    },
    options.threads ?? 2,
  ).catch(async (error: unknown) => {
    await telemetry.close();
    throw error;
  });
  let revision = 0;
  const started: TestWorkers = {
    workers,
    telemetry,
    inbound: workers.inbound.address,
    outbound: workers.outbound.address,
    lines,
    log: entries,
    async apply(config) {
      const issues = await workers.accept(await inputsOf(config, ++revision));
      if (issues.length > 0) throw new Error(`refused: ${issues.map(formatIssue).join('\n')}`);
    },
    metric: (name, labels = {}) =>
      (parsePrometheus(telemetry.metricsText()).get(name)?.samples ?? [])
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0),
    async [Symbol.asyncDispose]() {
      await workers.close();
      await telemetry.close();
    },
  };
  try {
    await started.apply(options);
    return started;
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}
