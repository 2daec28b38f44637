import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { accessLogLines } from './access-log.ts';
import { ConnectionCounts } from './connection-counts.ts';
import { EdgeTable, type EdgeWindow, type ExchangeSinks } from './edge-stats.ts';
import { standardOutput, startLineWriter, type WriteBatch } from './line-writer.ts';
import { metricTable } from './metric-table.ts';
import { type Gauge, renderMetrics } from './render.ts';
import { startSpanSink } from './span-sink.ts';
import type { Telemetry } from './telemetry.ts';
import { traceContext } from './trace-context.ts';

export interface TelemetryConfig {
  /** Which exchanges get a line: none, those the mesh answered itself or that failed (default), all. */
  readonly accessLog?: 'off' | 'errors' | 'all';
  /** Where the lines go; standard output unless told otherwise. */
  readonly accessLogWrite?: WriteBatch;
  /** OTLP/gRPC address of a collector, such as `http://127.0.0.1:4317`; absent: no spans. */
  readonly otlpEndpoint?: string;
  /** Share (0 to 1) of the traces that begin here and are sampled; 0.01 when there is a collector, else 0. */
  readonly traceSample?: number;
}

/** The telemetry of one sidecar. */
export interface RunningTelemetry extends Telemetry {
  /** All metrics in the text format of Prometheus. */
  metricsText(): string;
  /** Edges with traffic, counted since the last call: for one reader, who reports them. */
  takeEdges(): readonly EdgeWindow[];
  /** Adds a metric without labels, read at each scrape. Throws when the name is taken or not `weft_…` in snake case. */
  gauge(name: string, help: string, read: () => number): void;
  /** Writes the lines and sends the spans that are queued; bounded by a few seconds. */
  close(): Promise<void>;
}

const logLevels = { off: 0, errors: 1, all: 2 } as const;

export function startTelemetry(options: {
  /** `namespace/name`. */
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly config: TelemetryConfig;
  readonly clock: Clock;
  readonly log: Log;
}): RunningTelemetry {
  const { service, instance, version, config, clock, log } = options;
  const { accessLog = 'errors', otlpEndpoint, traceSample = otlpEndpoint === undefined ? 0 : 0.01 } = config;

  const lines =
    accessLog === 'off' ? undefined : startLineWriter({ write: config.accessLogWrite ?? standardOutput(), clock, log });
  const spans =
    otlpEndpoint === undefined
      ? undefined
      : startSpanSink({ endpoint: otlpEndpoint, service, instance, version, clock, log });
  const lineOf = accessLogLines(service);
  const sinks: ExchangeSinks = {
    logLevel: logLevels[accessLog],
    log: (edge, record) => lines?.line(lineOf(edge, record, clock.wall())),
    spans: spans !== undefined,
    span: (edge, record) => spans?.add(edge, record),
  };

  const edges = new EdgeTable(sinks);
  const connections = new Map<string, ConnectionCounts>();
  const gauges = new Map<string, Gauge>();

  return {
    tracer: traceContext(traceSample),
    edge: (direction, peer) => edges.edge(direction, peer),
    connections(direction, end) {
      const key = `${direction} ${end}`;
      const counts = connections.get(key) ?? new ConnectionCounts(direction, end);
      connections.set(key, counts);
      return counts;
    },
    metricsText: () =>
      renderMetrics({
        service,
        version,
        edges: edges.all(),
        connections: connections.values(),
        accessLogDropped: lines?.dropped() ?? 0,
        spansExported: spans?.exported() ?? 0,
        spansQueueFull: spans?.droppedQueueFull() ?? 0,
        spansExportFailed: spans?.droppedExportFailed() ?? 0,
        gauges: gauges.values(),
      }),
    takeEdges: () => [...edges.all()].flatMap((edge) => edge.takeWindow() ?? []),
    gauge(name, help, read) {
      if (!/^weft(?:_[a-z0-9]+)+$/.test(name) || name in metricTable || gauges.has(name))
        throw new Error(`a metric cannot be called ${name}: it is taken, or not weft_ and snake case`);
      gauges.set(name, { name, help, read });
    },
    async close() {
      await Promise.all([lines?.close(), spans?.close()]);
    },
  };
}
