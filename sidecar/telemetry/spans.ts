import { type Attributes, type HrTime, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { grpcStatusNames } from '../../lib/grpc-status.ts';
import type { Log } from '../../lib/log.ts';
import type { FinishedExchange } from './finished-exchange.ts';
import { isServiceFault } from './record.ts';

/** Spans on their way to a collector. Loaded only where there is one: it weighs 30 MB. */
export interface SpanExport {
  add(exchange: FinishedExchange): void;
  exported(): number;
  droppedQueueFull(): number;
  droppedExportFailed(): number;
  /** Sends what is queued, for at most two seconds. */
  close(): Promise<void>;
}

/** Spans held, those being sent included. */
const maxQueue = 2048;
const batch = 512;
const batchMs = 1000;
const exportMs = 5000;
const closeMs = 2000;
const complainMs = 60_000;

/** `endpoint`: the collector's OTLP/gRPC address, such as `http://127.0.0.1:4317`. */
export function startSpanExport(options: {
  readonly endpoint: string;
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}): SpanExport {
  const { clock, log } = options;
  let held = 0;
  let exported = 0;
  let queueFull = 0;
  let exportFailed = 0;
  let closed = false;
  let complainedAt = Number.NEGATIVE_INFINITY;

  const otlp = new OTLPTraceExporter({ url: options.endpoint, timeoutMillis: exportMs });
  // Counts what becomes of each batch. To the processor all is well: it would only write failures to a global handler.
  const counting: SpanExporter = {
    export(spans, done) {
      otlp.export(spans, (result) => {
        held -= spans.length;
        if (closed) exportFailed -= spans.length; // given up at close, and yet it came to an end
        if (result.error === undefined && result.code === 0) exported += spans.length;
        else {
          exportFailed += spans.length;
          if (clock.now() - complainedAt >= complainMs) {
            complainedAt = clock.now();
            const why = messageOf(result.error ?? 'refused');
            log.warn('spans dropped: the collector did not take them', {
              endpoint: options.endpoint,
              why,
              dropped: exportFailed,
            });
          }
        }
        done({ code: 0 });
      });
    },
    shutdown: () => otlp.shutdown(),
  };
  const processor = new BatchSpanProcessor({
    exporter: counting,
    maxQueueSize: maxQueue,
    maxExportBatchSize: batch,
    scheduledDelayMillis: batchMs,
    exportTimeoutMillis: exportMs * 2,
  });

  const [namespace = '', name = ''] = options.service.split('/');
  const resource = resourceFromAttributes({
    'service.name': name,
    'service.namespace': namespace,
    'service.instance.id': options.instance,
    'telemetry.distro.name': 'weft',
    'telemetry.distro.version': options.version,
  });
  const scope = { name: 'weft-sidecar', version: options.version };

  return {
    add(exchange) {
      if (held >= maxQueue) {
        queueFull++;
        return;
      }
      held++;
      processor.onEnd(spanOf(exchange, resource, scope));
    },
    exported: () => exported,
    droppedQueueFull: () => queueFull,
    droppedExportFailed: () => exportFailed,
    async close() {
      let cancel = (): void => {};
      const late = new Promise<void>((resolve) => {
        cancel = clock.after(closeMs, resolve);
      });
      await Promise.race([processor.shutdown(), late]);
      cancel();
      closed = true;
      exportFailed += held;
    },
  };
}

/** The exchange as the SDK hands spans to its exporters. Its IDs are those that went over the wire. */
function spanOf(
  { direction, peer, record, startWallMs }: FinishedExchange,
  resource: ReadableSpan['resource'],
  scope: ReadableSpan['instrumentationScope'],
): ReadableSpan {
  const context = { traceId: record.traceId, traceFlags: TraceFlags.SAMPLED, isRemote: false };
  const own = { ...context, spanId: record.spanId };
  const method = methods.has(record.method) ? record.method : 'HTTP';
  const failed = isServiceFault(record) || (record.status === 0 && record.code !== '');
  return {
    name: record.rule === '' ? method : `${method} ${record.rule}`,
    kind: direction === 'inbound' ? SpanKind.SERVER : SpanKind.CLIENT,
    spanContext: () => own,
    ...(record.parentSpanId === ''
      ? {}
      : { parentSpanContext: { ...context, spanId: record.parentSpanId, isRemote: true } }),
    startTime: hrTime(startWallMs),
    endTime: hrTime(startWallMs + record.durationMs),
    duration: hrTime(record.durationMs),
    status: failed
      ? { code: SpanStatusCode.ERROR, ...(record.code === '' ? {} : { message: record.detail || record.code }) }
      : { code: SpanStatusCode.UNSET },
    attributes: attributesOf(direction, peer, record),
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** https://opentelemetry.io/docs/specs/semconv/http/http-spans/: others are `_OTHER`, so that methods stay a closed set. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

function attributesOf(direction: 'inbound' | 'outbound', peer: string, record: FinishedExchange['record']): Attributes {
  const known = methods.has(record.method);
  const other = splitAddress(direction === 'inbound' ? record.downstream : record.upstream);
  const server = splitAddress(record.host);
  return {
    'http.request.method': known ? record.method : '_OTHER',
    ...(known ? {} : { 'http.request.method_original': record.method }),
    ...(record.status === 0 ? {} : { 'http.response.status_code': record.status }),
    'url.scheme': 'http',
    'url.path': record.path,
    ...(direction === 'outbound' ? { 'url.full': `http://${record.host}${record.path}` } : {}),
    'server.address': server.address,
    ...(server.port === undefined ? {} : { 'server.port': server.port }),
    ...(other.address === '' ? {} : { 'network.peer.address': other.address }),
    ...(other.port === undefined ? {} : { 'network.peer.port': other.port }),
    'network.protocol.name': 'http',
    'network.protocol.version': record.protocol.replace(/^HTTP\//, ''),
    'http.request.body.size': record.requestBytes,
    'http.response.body.size': record.responseBytes,
    ...(direction === 'outbound' && record.attempts > 1 ? { 'http.request.resend_count': record.attempts - 1 } : {}),
    ...(record.grpcStatus < 0 ? {} : { 'rpc.system': 'grpc', 'rpc.grpc.status_code': record.grpcStatus }),
    ...errorType(record),
    'weft.direction': direction,
    'weft.peer': peer,
    ...(record.peer === '' ? {} : { 'weft.peer.identity': record.peer }),
    ...(record.code === '' ? {} : { 'weft.code': record.code }),
    ...(record.policy === '' ? {} : { 'weft.policy': record.policy }),
    ...(record.rule === '' ? {} : { 'weft.rule': record.rule }),
    'weft.attempts': record.attempts,
    ...(record.requestId === '' ? {} : { 'weft.request_id': record.requestId }),
  };
}

function errorType(record: FinishedExchange['record']): Attributes {
  const { code, status } = record;
  if (code === '' && !isServiceFault(record)) return {};
  return { 'error.type': code || (status >= 500 ? String(status) : grpcStatusNames[record.grpcStatus]!) };
}

/** `host:port`, `[v6]:port` or a bare host. */
function splitAddress(text: string): { readonly address: string; readonly port?: number } {
  const found = /^(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text);
  return found === null ? { address: text } : { address: found[1] ?? found[2] ?? '', port: Number(found[3]) };
}

function hrTime(ms: number): HrTime {
  const seconds = Math.trunc(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
