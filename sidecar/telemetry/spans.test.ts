import { systemClock } from '../../lib/clock.ts';
import { type Log, silentLog } from '../../lib/log.ts';
import { exchangeRecord } from '../../test/harness/exchange-record.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { type Jaeger, type JaegerSpan, startJaeger } from '../../test/harness/jaeger.ts';
import { parsePrometheus } from '../../test/harness/prometheus.ts';
import { findTool } from '../../test/harness/tools.ts';
import { type RunningTelemetry, startTelemetry } from './start-telemetry.ts';
import type { ExchangeRecord } from './telemetry.ts';

function start(service: string, otlpEndpoint: string, log: Log = silentLog): RunningTelemetry {
  return startTelemetry({
    service,
    instance: `${service}-1`,
    version: '0.0.0',
    config: { accessLog: 'off', otlpEndpoint, traceSample: 1 },
    clock: systemClock,
    log,
  });
}

/** One exchange through one sidecar that gets this traceparent. */
function exchange(
  telemetry: RunningTelemetry,
  direction: 'inbound' | 'outbound',
  peer: string,
  traceparent: string | undefined,
  given: Partial<ExchangeRecord> = {},
): ExchangeRecord {
  const record = exchangeRecord({ startMs: systemClock.now(), durationMs: 5, ...given });
  telemetry.tracer.begin(record, traceparent, undefined, undefined, undefined, undefined, undefined);
  const edge = telemetry.edge(direction, peer);
  edge.begin();
  edge.end(record);
  return record;
}

const counter = (telemetry: RunningTelemetry, name: string): number =>
  parsePrometheus(telemetry.metricsText())
    .get(name)!
    .samples.reduce((sum, { value }) => sum + value, 0);

const jaegerProgram = findTool('jaeger-all-in-one');
(jaegerProgram === undefined ? describe.skip : describe)('with a real Jaeger', () => {
  let jaeger: Jaeger;
  beforeAll(async () => {
    jaeger = await startJaeger(jaegerProgram!);
  });
  afterAll(() => jaeger.close());

  test('both sidecars of a hop stand in one trace, the inbound span below the outbound one', async () => {
    const web = start('default/web', jaeger.otlp);
    const cart = start('default/cart', jaeger.otlp);
    const out = exchange(web, 'outbound', 'default/cart', undefined, {
      host: 'cart',
      path: '/items',
      rule: 'HTTPRoute default/cart rule 1',
      attempts: 2,
      status: 503,
      code: 'UPSTREAM_CONNECT',
      policy: 'RetryPolicy default/cart',
      detail: 'connection refused',
      peer: 'spiffe://weft/ns/default/sa/cart',
    });
    const inward = exchange(cart, 'inbound', 'default/web', web.tracer.traceparent(out), {
      method: 'BREW',
      grpcStatus: 13,
    });
    await Promise.all([web.close(), cart.close()]);

    const trace = await jaeger.trace(out.traceId, 2);
    const [client, server] = [out.spanId, inward.spanId].map((id) => trace.spans.find(({ spanID }) => spanID === id)!);
    const tag = (span: JaegerSpan | undefined, key: string) => span?.tags.find((one) => one.key === key)?.value;
    expect(client!.references).toEqual([]);
    expect(server!.references).toMatchObject([{ refType: 'CHILD_OF', traceID: out.traceId, spanID: out.spanId }]);
    expect(trace.processes[client!.processID]?.serviceName).toBe('web');
    expect(trace.processes[server!.processID]?.serviceName).toBe('cart');
    expect([tag(client, 'span.kind'), tag(server, 'span.kind')]).toEqual(['client', 'server']);
    expect([client!.operationName, server!.operationName]).toEqual(['GET HTTPRoute default/cart rule 1', 'HTTP']);
    expect(client!.duration).toBe(5000);
    expect(Math.abs(client!.startTime / 1000 - Date.now())).toBeLessThan(60_000);
    expect(
      Object.fromEntries(
        ['http.request.method', 'http.response.status_code', 'url.path', 'server.address', 'error', 'error.type'].map(
          (key) => [key, tag(client, key)],
        ),
      ),
    ).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 503,
      'url.path': '/items',
      'server.address': 'cart',
      error: true,
      'error.type': 'UPSTREAM_CONNECT',
    });
    expect(['code', 'policy', 'rule', 'peer', 'attempts'].map((key) => tag(client, `weft.${key}`))).toEqual([
      'UPSTREAM_CONNECT',
      'RetryPolicy default/cart',
      'HTTPRoute default/cart rule 1',
      'default/cart',
      2,
    ]);
    expect([tag(server, 'http.request.method'), tag(server, 'http.request.method_original')]).toEqual([
      '_OTHER',
      'BREW',
    ]);
    expect(['error', 'error.type', 'rpc.system', 'rpc.grpc.status_code'].map((key) => tag(server, key))).toEqual([
      true,
      'INTERNAL',
      'grpc',
      13,
    ]);
    expect(tag(client, 'rpc.system')).toBeUndefined();
    expect(counter(web, 'weft_spans_exported_total')).toBe(1);
  });

  test('an exchange that is not sampled makes no span', async () => {
    const web = start('default/web', jaeger.otlp);
    const traceId = 'c'.repeat(32);
    exchange(web, 'inbound', 'default/x', `00-${traceId}-${'d'.repeat(16)}-00`);
    const sampled = exchange(web, 'inbound', 'default/x', `00-${traceId}-${'d'.repeat(16)}-01`);
    await web.close();
    const trace = await jaeger.trace(traceId, 1);
    expect(trace.spans.map(({ spanID }) => spanID)).toEqual([sampled.spanId]);
    expect(counter(web, 'weft_spans_exported_total')).toBe(1);
  });
});

test('a collector that is not there costs a counter and one line, and closing does not wait for it', async () => {
  const warnings: unknown[] = [];
  const web = start('default/web', `http://127.0.0.1:${await freePort()}`, {
    ...silentLog,
    warn: (event, fields) => void warnings.push([event, fields]),
  });
  for (let i = 0; i < 5000; i++) exchange(web, 'outbound', 'default/cart', undefined);
  const before = performance.now();
  await web.close();
  expect(performance.now() - before).toBeLessThan(5000);
  expect(counter(web, 'weft_spans_dropped_total')).toBe(5000);
  expect(counter(web, 'weft_spans_exported_total')).toBe(0);
  expect(warnings.length).toBeLessThanOrEqual(1);
});
