import { type MetricRow, metricRows } from '../../lib/exposition.ts';
import { processMetrics } from '../../lib/process-metrics.ts';

/** Every metric of a sidecar. `docs/metrics.md` is generated from this table, and a scrape writes nothing else. */
export const metricTable = {
  weft_requests_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer', 'code_class', 'code'],
    help: 'Exchanges that have ended. code_class: 1xx to 5xx, none when no status was sent. code: the code of the error table when the mesh answered itself or the exchange broke.',
  },
  weft_grpc_calls_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer', 'grpc_status'],
    help: 'gRPC calls that have ended with a status. They are also exchanges, most of them of class 2xx, whatever their gRPC status.',
  },
  weft_request_duration_seconds: {
    type: 'histogram',
    labels: ['direction', 'service', 'peer'],
    help: 'Time from the first octet of a request to the end of its exchange.',
  },
  weft_request_bytes_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer'],
    help: 'Octets of request bodies.',
  },
  weft_response_bytes_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer'],
    help: 'Octets of response bodies.',
  },
  weft_requests_in_flight: {
    type: 'gauge',
    labels: ['direction', 'service', 'peer'],
    help: 'Exchanges that have begun and not ended.',
  },
  weft_retries_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer'],
    help: 'Attempts after the first one of an exchange.',
  },
  weft_tcp_connections: {
    type: 'gauge',
    labels: ['direction', 'service', 'peer'],
    help: 'Open TCP connections that carry no requests: those of services of protocol tcp.',
  },
  weft_tcp_connections_opened_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer'],
    help: 'Such connections opened so far, refused ones included.',
  },
  weft_tcp_connections_closed_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer', 'code'],
    help: 'Such connections that are over. code: why, by the error table; empty when both sides had said all they had to say.',
  },
  weft_tcp_to_service_bytes_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer'],
    help: 'Octets that callers have sent on such connections, counted as they come.',
  },
  weft_tcp_to_caller_bytes_total: {
    type: 'counter',
    labels: ['direction', 'service', 'peer'],
    help: 'Octets that services have sent on such connections, counted as they come.',
  },
  weft_connections: {
    type: 'gauge',
    labels: ['direction', 'end'],
    help: 'Open connections. end: downstream when others opened them to this sidecar, upstream when it opened them.',
  },
  weft_connections_opened_total: {
    type: 'counter',
    labels: ['direction', 'end'],
    help: 'Connections opened so far.',
  },
  weft_tls_handshakes_total: {
    type: 'counter',
    labels: ['direction', 'result', 'reason'],
    help: 'TLS handshakes. result: ok or failed; reason: why it failed.',
  },
  weft_connections_refused_total: {
    type: 'counter',
    labels: ['direction', 'reason'],
    help: 'Connections closed as soon as they had come. reason: limit (of a listener), address (too many of one), files (too few left), overload, or accept (the system could not hand them over).',
  },
  weft_overload_level: {
    type: 'gauge',
    labels: [],
    help: 'Rung of the overload ladder. 0: none; 1: connections end behind their answers; 2: new requests and connections are refused; 3: what holds most memory is reset. The highest of all threads.',
  },
  weft_access_log_dropped_total: {
    type: 'counter',
    labels: [],
    help: 'Lines of the access log that were given up because whoever reads it was too slow or gone.',
  },
  weft_spans_exported_total: {
    type: 'counter',
    labels: [],
    help: 'Spans that the OTLP collector has taken.',
  },
  weft_spans_dropped_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Spans given up. reason: queue_full, or export_failed when the collector could not be reached or refused them.',
  },
  weft_worker_requests_total: {
    type: 'counter',
    labels: ['worker'],
    help: 'Exchanges that a thread has ended. Only with --concurrency above 1, as all metrics with this label.',
  },
  weft_worker_connections: {
    type: 'gauge',
    labels: ['worker'],
    help: 'Open connections of a thread, at both ends.',
  },
  weft_worker_active_seconds_total: {
    type: 'counter',
    labels: ['worker'],
    help: 'Time during which the event loop of a thread was working. Its rate is the utilisation of the thread, 0 to 1.',
  },
  weft_worker_restarts_total: {
    type: 'counter',
    labels: ['worker'],
    help: 'Times that a thread has died and was started anew.',
  },
  weft_ready: { type: 'gauge', labels: [], help: 'Whether this sidecar is ready, as /ready says: 1 or 0.' },
  weft_revision: { type: 'gauge', labels: [], help: 'The revision in force; 0: none yet.' },
  weft_control_plane_connected: {
    type: 'gauge',
    labels: [],
    help: 'Whether a control plane is connected: 1 or 0. Traffic goes on without. Absent in a sidecar that has none.',
  },
  weft_certificate_expires_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the certificate of this sidecar ends, in seconds since 1970; 0: it has none. Renewed at half of its life.',
  },
  ...processMetrics,
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof metricTable;

/** Those that parts of the sidecar give a number for, read at each scrape. */
export type GaugeName =
  | 'weft_ready'
  | 'weft_revision'
  | 'weft_control_plane_connected'
  | 'weft_certificate_expires_timestamp_seconds';

/** The part about sidecars of the page `docs/metrics.md`. */
export const sidecarMetricsReference = (): string => `## Of a sidecar

At \`/metrics\` of its admin address, and at \`/v1/proxies/NAMESPACE/SERVICE/INSTANCE/admin/metrics\` of its control plane.

| label | values |
|---|---|
| \`direction\` | \`inbound\`: to this service; \`outbound\`: from this service |
| \`service\` | the service of this sidecar, \`namespace/name\` |
| \`peer\` | the other service, \`namespace/name\`; \`unknown\` when there is no telling; \`other\` beyond the first thousand |
| \`grpc_status\` | one of the 17 names, such as \`OK\` or \`UNAVAILABLE\` |
| \`code\` | a code of the [error table](errors.md); empty when the service answered |
| \`worker\` | a thread that carries traffic, from 0 |

No label holds anything that a request says (host, path, header), so the number of series is bounded.

${metricRows(metricTable)}
`;
