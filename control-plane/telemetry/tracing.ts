/** Values of attributes of a span. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Spans of the control plane's own work. */
export interface Tracing {
  /** Runs `work` inside a span, which ends as the work does; a span begun by the work becomes its child. */
  span<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T>;
  /** Sends what is waiting, for a bounded time. */
  close(): Promise<void>;
}

/** Does the work and nothing else. */
export const noTracing: Tracing = {
  span: (_name, _attributes, work) => work(),
  close: () => Promise.resolve(),
};

/**
 * Exports spans over OTLP/gRPC to `endpoint` (a URL such as http://127.0.0.1:4317). The OpenTelemetry SDK is loaded here
 * and not before: without tracing nobody pays for it.
 */
export async function startTracing(options: { readonly endpoint: string; readonly version: string }): Promise<Tracing> {
  const [{ NodeSDK }, { BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }, api] =
    await Promise.all([
      import('@opentelemetry/sdk-node'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-grpc'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/api'),
    ]);
  const exporter = new OTLPTraceExporter({ url: options.endpoint });
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': 'weft-control-plane', 'service.version': options.version }),
    autoDetectResources: false,
    spanProcessors: [new BatchSpanProcessor({ exporter })],
    // Traces only: otherwise the SDK would start exporters of metrics and logs that nobody asked for.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  const tracer = api.trace.getTracer('weft', options.version);
  return {
    span: (name, attributes, work) =>
      tracer.startActiveSpan(name, { attributes }, async (span) => {
        try {
          return await work();
        } catch (error) {
          span.recordException(error as Error);
          span.setStatus({ code: api.SpanStatusCode.ERROR, message: (error as Error).message });
          throw error;
        } finally {
          span.end();
        }
      }),
    close: () => sdk.shutdown(),
  };
}
