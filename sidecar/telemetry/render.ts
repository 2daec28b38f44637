import { Exposition, labelText, writeHistogram } from '../../lib/exposition.ts';
import { boundTexts } from '../../lib/latency.ts';
import { writeProcess } from '../../lib/process-metrics.ts';
import type { ConnectionCounts } from './connection-counts.ts';
import type { EdgeStats } from './edge-stats.ts';
import { type GaugeName, type MetricName, metricTable } from './metric-table.ts';
import type { TcpStats } from './tcp-stats.ts';

/** What one of several threads has done, restarts included. */
export interface WorkerFigures {
  readonly worker: number;
  readonly requests: number;
  readonly connections: number;
  /** Ms in which its event loop was working, since the thread was last started. */
  readonly activeMs: number;
  readonly restarts: number;
}

/** What a scrape shows. */
export interface Measured {
  /** `namespace/name`. */
  readonly service: string;
  readonly version: string;
  readonly edges: Iterable<EdgeStats>;
  readonly tcp: Iterable<TcpStats>;
  readonly connections: Iterable<ConnectionCounts>;
  readonly overloadLevel: number;
  readonly accessLogDropped: number;
  readonly spansExported: number;
  readonly spansQueueFull: number;
  readonly spansExportFailed: number;
  readonly gauges: ReadonlyMap<GaugeName, () => number>;
  readonly workers: readonly WorkerFigures[];
}

/** Everything in the text format of Prometheus. Costs what the edges with traffic cost; nothing is kept. */
export function renderMetrics(measured: Measured): string {
  const out = new Exposition();
  const metric = (name: MetricName): void => out.metric(name, metricTable[name]);
  const single = (name: MetricName, value: number, labels = ''): void => {
    metric(name);
    out.sample(name, labels, value);
  };

  writeEdges(out, metric, measured);
  writeTcp(out, metric, measured);
  writeConnections(out, metric, [...measured.connections]);
  single('weft_overload_level', measured.overloadLevel);
  single('weft_access_log_dropped_total', measured.accessLogDropped);
  single('weft_spans_exported_total', measured.spansExported);
  metric('weft_spans_dropped_total');
  out.sample('weft_spans_dropped_total', 'reason="queue_full"', measured.spansQueueFull);
  out.sample('weft_spans_dropped_total', 'reason="export_failed"', measured.spansExportFailed);
  for (const [name, read] of measured.gauges) single(name, read());
  const perWorker = (name: MetricName, read: (figures: WorkerFigures) => number): void => {
    metric(name);
    for (const one of measured.workers) out.sample(name, labelText({ worker: String(one.worker) }), read(one));
  };
  perWorker('weft_worker_requests_total', ({ requests }) => requests);
  perWorker('weft_worker_connections', ({ connections }) => connections);
  perWorker('weft_worker_active_seconds_total', ({ activeMs }) => activeMs / 1000);
  perWorker('weft_worker_restarts_total', ({ restarts }) => restarts);
  writeProcess(out, measured.version);
  return out.text();
}

function writeEdges(out: Exposition, metric: (name: MetricName) => void, { service, edges }: Measured): void {
  // An edge that never had a request has nothing to show yet.
  const used = [...edges]
    .map((edge) => ({ edge, count: edge.latency.reduce((sum, n) => sum + n, 0) }))
    .filter(({ edge, count }) => count > 0 || edge.inFlight > 0)
    .map(({ edge }) => ({
      edge,
      labels: labelText({ direction: edge.direction, service, peer: edge.peer }),
    }));

  metric('weft_requests_total');
  for (const { edge, labels } of used)
    edge.eachOutcome((statusClass, code, count) =>
      out.sample('weft_requests_total', `${labels},${labelText({ code_class: statusClass, code })}`, count),
    );
  metric('weft_grpc_calls_total');
  for (const { edge, labels } of used)
    edge.eachGrpcStatus((status, count) =>
      out.sample('weft_grpc_calls_total', `${labels},${labelText({ grpc_status: status })}`, count),
    );
  metric('weft_request_duration_seconds');
  for (const { edge, labels } of used) {
    const { latency: counts, durationMs } = edge;
    writeHistogram(out, 'weft_request_duration_seconds', labels, {
      bounds: boundTexts,
      counts,
      sum: durationMs / 1000,
    });
  }
  const each = (name: MetricName, read: (edge: EdgeStats) => number): void => {
    metric(name);
    for (const { edge, labels } of used) out.sample(name, labels, read(edge));
  };
  each('weft_request_bytes_total', (edge) => edge.requestBytes);
  each('weft_response_bytes_total', (edge) => edge.responseBytes);
  each('weft_requests_in_flight', (edge) => edge.inFlight);
  each('weft_retries_total', (edge) => edge.retries);
}

function writeTcp(out: Exposition, metric: (name: MetricName) => void, { service, tcp }: Measured): void {
  const edges = [...tcp].map((edge) => ({
    edge,
    labels: labelText({ direction: edge.direction, service, peer: edge.peer }),
  }));
  const each = (name: MetricName, read: (edge: TcpStats) => number): void => {
    metric(name);
    for (const { edge, labels } of edges) out.sample(name, labels, read(edge));
  };
  each('weft_tcp_connections', (edge) => edge.open);
  each('weft_tcp_connections_opened_total', (edge) => edge.openedTotal);
  metric('weft_tcp_connections_closed_total');
  for (const { edge, labels } of edges)
    edge.eachEnd((code, count) =>
      out.sample('weft_tcp_connections_closed_total', `${labels},${labelText({ code })}`, count),
    );
  each('weft_tcp_to_service_bytes_total', (edge) => edge.toServiceBytes);
  each('weft_tcp_to_caller_bytes_total', (edge) => edge.toCallerBytes);
}

function writeConnections(
  out: Exposition,
  metric: (name: MetricName) => void,
  connections: readonly ConnectionCounts[],
): void {
  const labelled = connections.map((counts) => ({
    counts,
    labels: labelText({ direction: counts.direction, end: counts.end }),
  }));
  metric('weft_connections');
  for (const { counts, labels } of labelled) out.sample('weft_connections', labels, counts.open);
  metric('weft_connections_opened_total');
  for (const { counts, labels } of labelled) out.sample('weft_connections_opened_total', labels, counts.openedTotal);

  // A direction has handshakes at both ends; the metric adds them up.
  metric('weft_tls_handshakes_total');
  const handshakes = new Map<string, number>();
  const add = (labels: string, count: number): void =>
    void handshakes.set(labels, (handshakes.get(labels) ?? 0) + count);
  for (const { direction, handshakesOk, handshakesFailed } of connections) {
    if (handshakesOk > 0) add(labelText({ direction, result: 'ok', reason: '' }), handshakesOk);
    for (const [reason, [count = 0]] of handshakesFailed)
      add(labelText({ direction, result: 'failed', reason }), count);
  }
  for (const [labels, count] of handshakes) out.sample('weft_tls_handshakes_total', labels, count);
  metric('weft_connections_refused_total');
  for (const { direction, refusedBy } of connections)
    for (const [reason, [count = 0]] of refusedBy)
      out.sample('weft_connections_refused_total', labelText({ direction, reason }), count);
}
