/**
 * What the data path tells about itself. The data path knows only these shapes; what becomes of them (metrics, log
 * lines, spans, reports) is decided behind them. Everything called per request is synchronous and allocates nothing
 * unless the request is logged or sampled.
 */

/** One exchange or TCP connection, filled in by the data path while it runs. One object a connection, reused. */
export interface ExchangeRecord {
  /** HTTP/1.1, HTTP/2 or TCP, of which there is no more to tell than its ends and its octets. */
  protocol: string;
  method: string;
  host: string;
  /** Canonical path without query. */
  path: string;
  /** Name of the rule that matched; '' for none. */
  rule: string;
  /** Status sent downstream; 0: none was sent. */
  status: number;
  /** Status of a gRPC call; -1 when it is none, or when none was sent. */
  grpcStatus: number;
  /** Code of the error table when the mesh answered itself or the exchange broke; '' otherwise. */
  code: string;
  /** `Kind namespace/name` of the policy that decided; '' for none. */
  policy: string;
  detail: string;
  /** SPIFFE ID of the other sidecar; '' for none. */
  peer: string;
  /** Address of the other end of the downstream connection. */
  downstream: string;
  /** Endpoint of the last attempt, `address:port`; '' when there was none. */
  upstream: string;
  attempts: number;
  /** Octets of body. */
  requestBytes: number;
  responseBytes: number;
  /** Monotonic ms. */
  startMs: number;
  /** Until the head of the response was there; 0 when it never was. */
  firstByteMs: number;
  durationMs: number;
  /** x-request-id; '' for none. */
  requestId: string;
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits: the span of this sidecar. */
  spanId: string;
  /** The span that called; '' at the root. */
  parentSpanId: string;
  sampled: boolean;
  tracestate: string;
}

/** Traffic of one direction between this service and one other. Looked up when a snapshot is compiled, not per request. */
export interface Edge {
  /** A request has been accepted. */
  begin(): void;
  /** The exchange is over: metrics, access log, span. Called exactly once for each `begin`. */
  end(record: ExchangeRecord): void;
}

/** TCP connections of one direction between this service and one other. */
export interface TcpEdge {
  opened(): void;
  /** Octets have come from the caller. */
  toService(octets: number): void;
  /** Octets have come from the service. */
  toCaller(octets: number): void;
  /** It is over: metrics, access log. Called exactly once for each `opened`. */
  closed(record: ExchangeRecord): void;
}

export interface Tracer {
  /**
   * Joins the caller's trace, or begins one: sets traceId, spanId, parentSpanId, sampled and tracestate of the record.
   * Arguments are field values as they came, hostile until parsed; W3C first, then B3 (one field or several).
   */
  begin(
    record: ExchangeRecord,
    traceparent: string | undefined,
    tracestate: string | undefined,
    b3: string | undefined,
    b3TraceId: string | undefined,
    b3SpanId: string | undefined,
    b3Sampled: string | undefined,
  ): void;
  /** `00-traceId-spanId-flags`: what goes upstream. */
  traceparent(record: ExchangeRecord): string;
}

/** Counters of one kind of connection. */
export interface ConnectionStats {
  opened(): void;
  closed(): void;
  /** A TLS handshake ended, well or with a short reason from a closed set. */
  handshake(ok: boolean, reason: string): void;
  /** One was closed as soon as it had come, for a reason from a closed set. */
  refused(reason: string): void;
}

export interface OverloadStats {
  /** The rung of the overload ladder from now on; 0: none. */
  level(level: number): void;
}

export interface Telemetry {
  /** `peer`: the other service as `namespace/name`, 'unknown' where there is no telling. Bounded: beyond the bound, `other`. */
  edge(direction: 'inbound' | 'outbound', peer: string): Edge;
  /** The same for connections that carry no requests. */
  tcp(direction: 'inbound' | 'outbound', peer: string): TcpEdge;
  /** Connections that others opened to us (downstream) or we opened (upstream). */
  connections(direction: 'inbound' | 'outbound', end: 'downstream' | 'upstream'): ConnectionStats;
  readonly overload: OverloadStats;
  readonly tracer: Tracer;
}
