import { manualClock } from '../../lib/clock.ts';
import { parsePrometheus } from '../../test/harness/prometheus.ts';
import { ControlPlaneMetrics, controlPlaneMetricsReference, controlPlaneMetricTable } from './metrics.ts';

const state = {
  version: '1.2.3',
  proxies: [
    { state: 'synced', ready: true },
    { state: 'synced', ready: false },
    { state: 'rejected', ready: true },
    { state: 'disconnected', ready: false },
  ],
  revision: 7,
  storeHealthy: true,
  rootExpires: 2_000_000_000_000,
} as const;

test('every name in a scrape stands in the table and the docs, with its labels, and the other way round', () => {
  const families = parsePrometheus(new ControlPlaneMetrics(manualClock()).text(state));
  expect([...families.keys()]).toEqual(Object.keys(controlPlaneMetricTable));
  const docs = controlPlaneMetricsReference();
  for (const [name, { type, labels }] of Object.entries(controlPlaneMetricTable)) {
    expect(docs).toContain(`| \`${name}\` | ${type} |`);
    expect(families.get(name)!.type).toBe(type);
    for (const sample of families.get(name)!.samples)
      expect(Object.keys(sample.labels).filter((label) => label !== 'le')).toEqual([...labels]);
  }
});

test('a scrape shows what was counted and what is', () => {
  const clock = manualClock();
  const metrics = new ControlPlaneMetrics(clock);
  const first = metrics.sent();
  const second = metrics.sent();
  clock.advance(3);
  first('acknowledged');
  clock.advance(7);
  second('refused');
  metrics.sent()('lost');
  metrics.certificate('issued');
  for (const status of [200, 204, 404, 503]) metrics.answered(status);
  const families = parsePrometheus(metrics.text(state));
  const values = (name: string) =>
    Object.fromEntries(families.get(name)!.samples.map(({ labels, value }) => [Object.values(labels).join(), value]));
  expect(values('weft_control_plane_sidecars')).toEqual({ synced: 2, pending: 0, rejected: 1, disconnected: 1 });
  expect(values('weft_control_plane_sidecars_ready')).toEqual({ '': 2 });
  expect(values('weft_control_plane_revision')).toEqual({ '': 7 });
  expect(values('weft_control_plane_store_healthy')).toEqual({ '': 1 });
  expect(values('weft_control_plane_pushes_total')).toEqual({ acknowledged: 1, refused: 1, lost: 1 });
  expect(values('weft_control_plane_push_duration_seconds')).toMatchObject({
    '0.0025': 0,
    '0.004': 1,
    '0.01': 2,
    '+Inf': 2,
  });
  expect(families.get('weft_control_plane_push_duration_seconds')!.samples.slice(-2)).toEqual([
    { name: 'weft_control_plane_push_duration_seconds_sum', labels: {}, value: 0.013 },
    { name: 'weft_control_plane_push_duration_seconds_count', labels: {}, value: 2 },
  ]);
  expect(values('weft_control_plane_certificates_total')).toEqual({ issued: 1, refused: 0 });
  expect(values('weft_control_plane_root_expires_timestamp_seconds')).toEqual({ '': 2_000_000_000 });
  expect(values('weft_control_plane_api_requests_total')).toEqual({ '2xx': 2, '3xx': 0, '4xx': 1, '5xx': 1 });
});
