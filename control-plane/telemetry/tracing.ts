import { type Attributes, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

const closeMs = 2000;

/**
 * Runs `work` inside a span, which ends as the work does; spans begun by the work become its children. Costs next to
 * nothing until `startTracing` has been called: the API does nothing by itself.
 */
export function inSpan<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('weft').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * Exports the control plane's own spans (apply, push, sign) over OTLP/gRPC to `endpoint`, a URL such as
 * http://127.0.0.1:4317. The OpenTelemetry SDK is loaded here and not before: without tracing nobody pays for it.
 */
export async function startTracing(options: {
  readonly endpoint: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<{ close(): Promise<void> }> {
  const [{ NodeSDK }, { BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-grpc'),
    import('@opentelemetry/resources'),
  ]);
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': 'weft-control-plane', 'service.version': options.version }),
    autoDetectResources: false,
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: options.endpoint }) })],
    // Traces only: otherwise the SDK would start exporters of metrics and logs that nobody asked for.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  const { clock, log } = options;
  return {
    /** Sends what is waiting, but does not wait for long for a collector that does not answer. */
    close: () =>
      new Promise((resolve) => {
        const cancel = clock.after(closeMs, resolve);
        sdk
          .shutdown()
          .catch((error: unknown) => log.warn('tracing.spans_lost', { problem: messageOf(error) }))
          .finally(() => {
            cancel();
            resolve();
          });
      }),
  };
}
