import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { accessLogLines } from './access-log.ts';
import { type CellsOf, type NewCells, plainCells } from './cells.ts';
import { ConnectionCounts } from './connection-counts.ts';
import { EdgeTable, type EdgeWindow, type ExchangeSinks, isWanted } from './edge-stats.ts';
import { type FinishedExchange, finishedExchange } from './finished-exchange.ts';
import { inTurn, standardOutput, startLineWriter, type WriteBatch } from './line-writer.ts';
import type { GaugeName } from './metric-table.ts';
import { renderMetrics, type WorkerFigures } from './render.ts';
import { type SpanSink, startSpanSink } from './span-sink.ts';
import { TcpTable } from './tcp-stats.ts';
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
  /** Who gives the number of a gauge at each scrape; without it the metric is absent. */
  gauge(name: GaugeName, read: () => number): void;
  /** Of all threads, the highest rung of the overload ladder; 0: none. */
  overloadLevel(): number;
  readonly shared: SharedTelemetry;
  /** Writes the lines and sends the spans that are queued; bounded by a few seconds. */
  close(): Promise<void>;
}

/** What a worker thread has to know to tell of itself what the main thread wants to hear. */
export interface TelemetryWanted {
  readonly accessLog: 'off' | 'errors' | 'all';
  readonly traceSample: number;
  readonly spans: boolean;
}

/** Whom an edge is with. */
export interface KnownIdentity {
  readonly direction: 'inbound' | 'outbound';
  readonly peer: string;
  /** That the other end proved last. */
  readonly spiffeId: string;
}

/** What worker threads count and say comes together here. */
export interface SharedTelemetry {
  readonly wanted: TelemetryWanted;
  /** The counters that show the sum of what the threads count under this name. */
  cellsOf(of: CellsOf): Float64Array;
  identify(known: KnownIdentity): void;
  /** Of all edges whose other end has proved one. */
  identities(): readonly KnownIdentity[];
  /** Lines of the access log; each writer has one batch under way at most. */
  readonly writeLines: WriteBatch;
  addSpan(exchange: FinishedExchange): void;
  /** `addUp` is called before each reading, to bring the sums up to date. */
  join(threads: { addUp(): void; figures(): readonly WorkerFigures[] }): void;
}

const logLevels = { off: 0, errors: 1, all: 2 } as const;

export function startTelemetry(options: {
  /** `namespace/name`. */
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly config: TelemetryConfig;
  /** Where a worker thread counts; memory of its own unless told otherwise. */
  readonly newCells?: NewCells;
  /** Where a worker thread hands its spans to, instead of a collector. */
  readonly spans?: SpanSink;
  readonly clock: Clock;
  readonly log: Log;
}): RunningTelemetry {
  const { service, instance, version, config, newCells = plainCells, clock, log } = options;
  const { accessLog = 'errors', otlpEndpoint, traceSample = otlpEndpoint === undefined ? 0 : 0.01 } = config;

  const write = accessLog === 'off' ? undefined : (config.accessLogWrite ?? standardOutput());
  const dropped = newCells({ kind: 'access-log-dropped' }, 1, -1);
  const lines = write === undefined ? undefined : startLineWriter({ write, clock, log, dropped });
  const spans =
    otlpEndpoint === undefined
      ? options.spans
      : startSpanSink({ endpoint: otlpEndpoint, service, instance, version, clock, log });
  const spansLost = new Float64Array(1);
  const lineOf = accessLogLines(service);
  const sinks: ExchangeSinks = {
    logLevel: logLevels[accessLog],
    log: (edge, record) => lines?.line(lineOf(edge, record, clock.wall())),
    spans: spans !== undefined,
    span: (edge, record) => spans?.add(finishedExchange(edge, record, clock)),
  };

  const edges = new EdgeTable(sinks, newCells);
  const tcp = new TcpTable((edge, record) => {
    if (isWanted(sinks.logLevel, record)) lines?.line(lineOf(edge, record, clock.wall()));
  }, newCells);
  const connections = new Map<string, ConnectionCounts>();
  const connectionsOf = (direction: 'inbound' | 'outbound', end: 'downstream' | 'upstream'): ConnectionCounts => {
    const key = `${direction} ${end}`;
    const counts = connections.get(key) ?? new ConnectionCounts(direction, end, newCells);
    connections.set(key, counts);
    return counts;
  };
  // By rung, one counter of threads that have reached it.
  const overloaded = [1, 2, 3].map((level) => newCells({ kind: 'overload', level }, 1, 0));
  const overloadLevel = (): number => overloaded.findLastIndex(([threads = 0]) => threads > 0) + 1;
  const gauges = new Map<GaugeName, () => number>();
  let threads: Parameters<SharedTelemetry['join']>[0] | undefined;

  return {
    tracer: traceContext(traceSample),
    edge: (direction, peer) => edges.edge(direction, peer),
    tcp: (direction, peer) => tcp.edge(direction, peer),
    connections: connectionsOf,
    overload: {
      level(level) {
        for (const [index, cell] of overloaded.entries()) cell[0] = level > index ? 1 : 0;
      },
    },
    overloadLevel() {
      threads?.addUp();
      return overloadLevel();
    },
    metricsText() {
      threads?.addUp();
      return renderMetrics({
        service,
        version,
        edges: edges.all(),
        tcp: tcp.all(),
        connections: connections.values(),
        overloadLevel: overloadLevel(),
        accessLogDropped: dropped[0]!,
        spansExported: spans?.exported() ?? 0,
        spansQueueFull: spansLost[0]! + (spans?.droppedQueueFull() ?? 0),
        spansExportFailed: spans?.droppedExportFailed() ?? 0,
        gauges,
        workers: threads?.figures() ?? [],
      });
    },
    takeEdges() {
      threads?.addUp();
      return [...edges.all()].flatMap((edge) => edge.takeWindow() ?? []);
    },
    gauge: (name, read) => void gauges.set(name, read),
    shared: {
      wanted: { accessLog, traceSample, spans: spans !== undefined },
      cellsOf(of) {
        if (of.kind === 'edge') return edges.edge(of.direction, of.peer).counts;
        if (of.kind === 'codes') return edges.edge(of.direction, of.peer).byCode;
        if (of.kind === 'tcp') return tcp.edge(of.direction, of.peer).counts;
        if (of.kind === 'connections') return connectionsOf(of.direction, of.end).counts;
        if (of.kind === 'refused-handshakes') return connectionsOf(of.direction, of.end).failed(of.reason);
        if (of.kind === 'refused-connections') return connectionsOf(of.direction, of.end).refusals(of.reason);
        if (of.kind === 'overload') return overloaded[of.level - 1]!;
        return of.kind === 'access-log-dropped' ? dropped : spansLost;
      },
      identify({ direction, peer, spiffeId }) {
        edges.edge(direction, peer).peerIdentity = spiffeId;
      },
      identities: () =>
        [...edges.all()].flatMap(({ direction, peer, peerIdentity: spiffeId }) =>
          spiffeId === '' ? [] : { direction, peer, spiffeId },
        ),
      writeLines: inTurn(write ?? ((_octets, done) => done())),
      addSpan: (exchange) => spans?.add(exchange),
      join(source) {
        threads = source;
      },
    },
    async close() {
      await Promise.all([lines?.close(), spans?.close()]);
    },
  };
}
