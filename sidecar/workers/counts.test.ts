import { manualClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { exchangeRecord } from '../../test/harness/exchange-record.ts';
import { parsePrometheus } from '../../test/harness/prometheus.ts';
import { maxPeers } from '../telemetry/edge-stats.ts';
import { startTelemetry } from '../telemetry/start-telemetry.ts';
import { Counts } from './counts.ts';

const telemetryOf = (newCells?: Parameters<typeof startTelemetry>[0]['newCells']) =>
  startTelemetry({
    service: 'default/web',
    instance: 'web-1',
    version: '1',
    config: { accessLog: 'off' },
    ...(newCells === undefined ? {} : { newCells }),
    clock: manualClock(),
    log: silentLog,
  });

/** The telemetry of a main thread, and that of threads which count for it. */
function threads(seats: number) {
  const main = telemetryOf();
  const counts = new Counts(seats, main.shared.cellsOf);
  main.shared.join({ addUp: () => counts.addUp(), figures: () => [] });
  const thread = (seat: number) =>
    telemetryOf((of, length, gauge) => {
      const cells = new Float64Array(length);
      counts.add(seat, of, cells, gauge);
      return cells;
    });
  const scrape = (name: string): [string, number][] =>
    parsePrometheus(main.metricsText())
      .get(name)!
      .samples.map(({ labels, value }) => [Object.values(labels).join(' '), value]);
  return { main, counts, thread, scrape };
}

test('what threads count is one sum for each series', () => {
  const { main, counts, thread, scrape } = threads(2);
  const [first, second] = [thread(0), thread(1)];
  for (const [one, times] of [
    [first, 2],
    [second, 3],
  ] as const) {
    const edge = one.edge('inbound', 'default/shop');
    for (let i = 0; i < times; i++) {
      edge.begin();
      edge.end(exchangeRecord({ requestBytes: 10 }));
    }
    edge.begin();
    edge.end(exchangeRecord({ status: 503, code: 'NO_ENDPOINT' }));
    edge.begin();
    const connections = one.connections('inbound', 'downstream');
    connections.opened();
    connections.handshake(true, '');
    connections.handshake(false, 'expired');
  }
  expect(scrape('weft_requests_total')).toEqual([
    ['inbound default/web default/shop 2xx ', 5],
    ['inbound default/web default/shop 5xx NO_ENDPOINT', 2],
  ]);
  expect(scrape('weft_request_bytes_total')).toEqual([['inbound default/web default/shop', 50]]);
  expect(scrape('weft_requests_in_flight')).toEqual([['inbound default/web default/shop', 2]]);
  expect(scrape('weft_connections')).toEqual([['inbound downstream', 2]]);
  expect(scrape('weft_tls_handshakes_total')).toEqual([
    ['inbound ok ', 2],
    ['inbound failed expired', 2],
  ]);
  expect(counts.figures(0)).toEqual({ requests: 3, connections: 1 });
  expect(counts.figures(1)).toEqual({ requests: 4, connections: 1 });
  expect(main.takeEdges()).toMatchObject([{ requests: 7, failures: 2 }]);
  expect(main.takeEdges()).toEqual([]);
});

test('a thread that is gone leaves its counts, and nothing under way', () => {
  const { main, counts, thread, scrape } = threads(1);
  for (let life = 1; life <= 3; life++) {
    const one = thread(0);
    const edge = one.edge('outbound', 'default/cart');
    edge.begin();
    edge.end(exchangeRecord());
    edge.begin();
    one.connections('outbound', 'upstream').opened();
    expect(scrape('weft_requests_in_flight')).toEqual([['outbound default/web default/cart', 1]]);
    counts.retire(0);
    expect(scrape('weft_requests_total')).toEqual([['outbound default/web default/cart 2xx ', life]]);
    expect(scrape('weft_requests_in_flight')).toEqual([['outbound default/web default/cart', 0]]);
    expect(scrape('weft_connections')).toEqual([['outbound upstream', 0]]);
    expect(scrape('weft_connections_opened_total')).toEqual([['outbound upstream', life]]);
    expect(counts.figures(0)).toEqual({ requests: life, connections: 0 });
    expect(main.takeEdges()).toMatchObject([{ requests: 1 }]);
  }
});

test('peers beyond the bound are one series, whichever thread has met them', () => {
  const { thread, scrape } = threads(2);
  for (const seat of [0, 1]) {
    const one = thread(seat);
    for (let i = 0; i < maxPeers; i++) one.edge('inbound', `default/p${seat}-${i}`).begin();
  }
  const inFlight = new Map(scrape('weft_requests_in_flight'));
  expect(inFlight.size).toBe(maxPeers + 1);
  expect(inFlight.get('inbound default/web default/p0-0')).toBe(1);
  expect(inFlight.get('inbound default/web other')).toBe(maxPeers);
});
