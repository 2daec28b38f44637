import { manualClock } from '../../lib/clock.ts';
import { boundsUs } from '../../lib/latency.ts';
import { silentLog } from '../../lib/log.ts';
import { exchangeRecord } from '../../test/harness/exchange-record.ts';
import { parsePrometheus } from '../../test/harness/prometheus.ts';
import { maxPeers } from './edge-stats.ts';
import { type GaugeName, metricTable, sidecarMetricsReference } from './metric-table.ts';
import { startTelemetry, type TelemetryConfig } from './start-telemetry.ts';

function telemetryOf(config: TelemetryConfig = {}) {
  const lines: string[] = [];
  const telemetry = startTelemetry({
    service: 'default/web',
    instance: 'web-1',
    version: '1.2.3',
    config: {
      accessLogWrite(octets, done) {
        lines.push(...octets.toString().trimEnd().split('\n'));
        done();
      },
      ...config,
    },
    clock: manualClock(),
    log: silentLog,
  });
  const scrape = (name: string) => {
    const family = parsePrometheus(telemetry.metricsText()).get(name);
    return (family?.samples ?? []).map(({ labels, value }) => ({ ...labels, value }));
  };
  return { telemetry, lines, scrape };
}

test('requests are counted by direction, peer, class of status and code', () => {
  const { telemetry, scrape } = telemetryOf();
  const cart = telemetry.edge('outbound', 'default/cart');
  const caller = telemetry.edge('inbound', 'default/shop');
  const exchange = (edge: typeof cart, given: Parameters<typeof exchangeRecord>[0]): void => {
    edge.begin();
    edge.end(exchangeRecord(given));
  };
  exchange(cart, { status: 200 });
  exchange(cart, { status: 204, requestBytes: 10, responseBytes: 100 });
  exchange(cart, { status: 503, code: 'NO_ENDPOINT', attempts: 3 });
  exchange(cart, { status: 500 });
  exchange(cart, { status: 0, code: 'DOWNSTREAM_GONE' });
  exchange(cart, { status: 200, code: 'MADE_UP' });
  exchange(caller, { status: 302, code: 'REDIRECT', requestBytes: 1 });
  cart.begin();

  const outbound = { direction: 'outbound', service: 'default/web', peer: 'default/cart' };
  const inbound = { direction: 'inbound', service: 'default/web', peer: 'default/shop' };
  expect(new Set(scrape('weft_requests_total'))).toEqual(
    new Set([
      { ...outbound, code_class: '2xx', code: '', value: 2 },
      { ...outbound, code_class: '5xx', code: '', value: 1 },
      { ...outbound, code_class: '5xx', code: 'NO_ENDPOINT', value: 1 },
      { ...outbound, code_class: 'none', code: 'DOWNSTREAM_GONE', value: 1 },
      { ...outbound, code_class: '2xx', code: 'other', value: 1 },
      { ...inbound, code_class: '3xx', code: 'REDIRECT', value: 1 },
    ]),
  );
  expect(scrape('weft_requests_in_flight')).toContainEqual({ ...outbound, value: 1 });
  expect(scrape('weft_retries_total')).toContainEqual({ ...outbound, value: 2 });
  expect(scrape('weft_request_bytes_total')).toContainEqual({ ...outbound, value: 10 });
  expect(scrape('weft_response_bytes_total')).toContainEqual({ ...outbound, value: 100 });
  expect(scrape('weft_request_bytes_total')).toContainEqual({ ...inbound, value: 1 });
});

test('gRPC calls are counted by their status too, and fail by it, whatever the status of HTTP', () => {
  const { telemetry, scrape } = telemetryOf();
  const cart = telemetry.edge('outbound', 'default/cart');
  const call = (grpcStatus: number, code = ''): void => {
    cart.begin();
    cart.end(exchangeRecord({ grpcStatus, code }));
  };
  for (const status of [0, 0, 5, 13, 14, -1]) call(status);
  call(14, 'NO_ENDPOINT');
  const labels = { direction: 'outbound', service: 'default/web', peer: 'default/cart' };
  expect(scrape('weft_grpc_calls_total')).toEqual([
    { ...labels, grpc_status: 'OK', value: 2 },
    { ...labels, grpc_status: 'NOT_FOUND', value: 1 },
    { ...labels, grpc_status: 'INTERNAL', value: 1 },
    { ...labels, grpc_status: 'UNAVAILABLE', value: 2 },
  ]);
  expect(scrape('weft_requests_total')).toContainEqual({ ...labels, code_class: '2xx', code: '', value: 6 });
  expect(telemetry.takeEdges()).toMatchObject([{ requests: 7, failures: 3 }]);
});

test('the latency histogram is cumulative and adds up', () => {
  const { telemetry } = telemetryOf();
  const edge = telemetry.edge('inbound', 'default/shop');
  for (const durationMs of [0.05, 0.1, 1, 2000, 100_000]) {
    edge.begin();
    edge.end(exchangeRecord({ durationMs }));
  }
  const samples = parsePrometheus(telemetry.metricsText()).get('weft_request_duration_seconds')!.samples;
  const buckets = samples.filter(({ name }) => name.endsWith('_bucket'));
  const atMost = (le: string) => buckets.find(({ labels }) => labels.le === le)?.value;
  expect(buckets).toHaveLength(boundsUs.length + 1);
  expect(buckets.map(({ value }) => value)).toEqual(buckets.map(({ value }) => value).sort((a, b) => a - b));
  expect([atMost('0.0001'), atMost('0.001'), atMost('1'), atMost('2.5'), atMost('60'), atMost('+Inf')]).toEqual([
    2, 3, 3, 4, 4, 5,
  ]);
  expect(samples.find(({ name }) => name.endsWith('_count'))?.value).toBe(5);
  expect(samples.find(({ name }) => name.endsWith('_sum'))?.value).toBeCloseTo(102.00115, 8);
});

test('connections and handshakes are counted', () => {
  const { telemetry, scrape } = telemetryOf();
  const down = telemetry.connections('inbound', 'downstream');
  down.opened();
  down.opened();
  down.closed();
  down.handshake(true, '');
  telemetry.connections('inbound', 'downstream').handshake(false, 'expired');
  for (let i = 0; i < 100; i++) down.handshake(false, `made up ${i}`);
  expect(scrape('weft_connections')).toEqual([{ direction: 'inbound', end: 'downstream', value: 1 }]);
  expect(scrape('weft_connections_opened_total')).toEqual([{ direction: 'inbound', end: 'downstream', value: 2 }]);
  const handshakes = scrape('weft_tls_handshakes_total');
  expect(handshakes).toContainEqual({ direction: 'inbound', result: 'ok', reason: '', value: 1 });
  expect(handshakes).toContainEqual({ direction: 'inbound', result: 'failed', reason: 'expired', value: 1 });
  expect(handshakes.length).toBeLessThan(40);
});

test('every name in a scrape stands in the table and the docs, with its labels, and the other way round', () => {
  const { telemetry } = telemetryOf();
  const edge = telemetry.edge('inbound', 'default/shop');
  edge.begin();
  edge.end(exchangeRecord({ grpcStatus: 0 }));
  telemetry.connections('inbound', 'downstream').handshake(true, '');
  const gauges: GaugeName[] = [
    'weft_ready',
    'weft_revision',
    'weft_control_plane_connected',
    'weft_certificate_expires_timestamp_seconds',
  ];
  for (const name of gauges) telemetry.gauge(name, () => 1);
  const families = parsePrometheus(telemetry.metricsText());
  expect(new Set(families.keys())).toEqual(new Set(Object.keys(metricTable)));
  const docs = sidecarMetricsReference();
  for (const [name, row] of Object.entries(metricTable)) {
    expect(docs).toContain(`| \`${name}\` | ${row.type} |`);
    const { type, samples } = families.get(name)!;
    expect(type).toBe(row.type);
    for (const { labels } of samples)
      expect(Object.keys(labels).filter((label) => label !== 'le')).toEqual([...row.labels]);
  }
  expect(families.get('weft_build_info')!.samples[0]!.labels).toEqual({ version: '1.2.3', node: process.version });
});

test('a label with anything in it is read back the same', () => {
  const { telemetry, scrape } = telemetryOf();
  const peer = 'quo"te\\back\nline,}{';
  telemetry.edge('inbound', peer).begin();
  expect(scrape('weft_requests_in_flight')).toEqual([{ direction: 'inbound', service: 'default/web', peer, value: 1 }]);
});

test('peers beyond the bound share one edge, however many there are', () => {
  const { telemetry, scrape } = telemetryOf();
  for (let i = 0; i < maxPeers + 500; i++) telemetry.edge('inbound', `default/p${i}`).begin();
  telemetry.edge('inbound', 'default/p0').begin();
  const inFlight = scrape('weft_requests_in_flight');
  expect(inFlight).toHaveLength(maxPeers + 1);
  expect(inFlight).toContainEqual({ direction: 'inbound', service: 'default/web', peer: 'other', value: 500 });
  expect(inFlight).toContainEqual({ direction: 'inbound', service: 'default/web', peer: 'default/p0', value: 2 });
});

test('gauges are read at each scrape, and are absent without anybody to read them', () => {
  const { telemetry, scrape } = telemetryOf();
  let revision = 7;
  expect(telemetry.metricsText()).not.toContain('weft_revision');
  telemetry.gauge('weft_revision', () => revision);
  expect(scrape('weft_revision')).toEqual([{ value: 7 }]);
  revision = 8;
  expect(scrape('weft_revision')).toEqual([{ value: 8 }]);
});

test('takeEdges gives what happened since the last call, and only edges with traffic', () => {
  const { telemetry } = telemetryOf();
  const cart = telemetry.edge('outbound', 'default/cart');
  telemetry.edge('outbound', 'default/idle');
  const peer = 'spiffe://weft/ns/default/sa/cart';
  const exchange = (given: Parameters<typeof exchangeRecord>[0]): void => {
    cart.begin();
    cart.end(exchangeRecord({ durationMs: 0.2, ...given }));
  };
  exchange({ peer });
  exchange({ status: 503, code: 'NO_ENDPOINT', attempts: 2 });
  exchange({ status: 502 });
  exchange({ status: 0, code: 'DOWNSTREAM_GONE' });
  exchange({ status: 302, code: 'REDIRECT' });
  const [first, ...others] = telemetry.takeEdges();
  expect(others).toEqual([]);
  expect(first).toMatchObject({ direction: 'outbound', peer: 'default/cart', peerIdentity: peer });
  expect(first).toMatchObject({ requests: 5, failures: 2, retries: 1 });
  expect(first!.latency.reduce((sum, count) => sum + count, 0)).toBe(5);
  expect(first!.latency[2]).toBe(5);
  expect(telemetry.takeEdges()).toEqual([]);
  exchange({});
  expect(telemetry.takeEdges()).toMatchObject([{ requests: 1, failures: 0, retries: 0 }]);
});

test.each([
  ['off', []],
  ['errors', ['NO_ENDPOINT', '500', '14']],
  ['all', ['200', 'NO_ENDPOINT', '500', 'REDIRECT', '14', '5']],
] as const)('the access log set to %s has the lines asked for', async (accessLog, expected) => {
  const { telemetry, lines } = telemetryOf({ accessLog });
  const edge = telemetry.edge('inbound', 'default/shop');
  const records = [
    { status: 200 },
    { status: 503, code: 'NO_ENDPOINT' },
    { status: 500 },
    { status: 302, code: 'REDIRECT' },
    { grpcStatus: 14 },
    { grpcStatus: 5 },
  ];
  for (const record of records) {
    edge.begin();
    edge.end(exchangeRecord(record));
  }
  await telemetry.close();
  const found = lines.map((line) => JSON.parse(line) as { code: string; status: number; grpcStatus: number });
  expect(found.map(({ code, status, grpcStatus }) => code || String(grpcStatus < 0 ? status : grpcStatus))).toEqual(
    expected,
  );
});
