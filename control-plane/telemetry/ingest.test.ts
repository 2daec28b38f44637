import { credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { manualClock } from '../../lib/clock.ts';
import { bucketCount, bucketOf } from '../../lib/latency.ts';
import { silentLog } from '../../lib/log.ts';
import type { Edge } from '../../proto/gen/weft/v1/Edge.ts';
import type { EdgeReport } from '../../proto/gen/weft/v1/EdgeReport.ts';
import { weftProto } from '../../proto/load.ts';
import { type TelemetryService, telemetryService } from './ingest.ts';

const spiffe = (service: string): string => `spiffe://mesh.local/ns/default/sa/${service}`;
const clock = manualClock();
let server: Server;
let port: number;
let service: TelemetryService;

beforeEach(async () => {
  service = telemetryService({
    // Over plain text there is no certificate: the metadata stands in for it.
    identify(call) {
      const [name] = call.metadata.get('service');
      if (name === undefined) throw new Error('no certificate');
      return { trustDomain: 'mesh.local', namespace: 'default', service: String(name) };
    },
    clock,
    log: silentLog,
    maxEdges: 3,
  });
  server = new Server();
  server.addService(service.definition, service.handlers);
  port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
});
afterEach(() => server.forceShutdown());

/** Sends reports in one stream; resolves with how it ended. */
async function report(
  name: string | undefined,
  ...reports: EdgeReport[]
): Promise<{ reports?: number; code?: number }> {
  const { Telemetry } = weftProto();
  const client = new Telemetry(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  if (name !== undefined) metadata.set('service', name);
  try {
    return await new Promise((resolve) => {
      const call = client.Report(metadata, (error, summary) =>
        resolve(error === null ? { reports: summary!.reports } : { code: error.code }),
      );
      call.on('error', () => undefined);
      for (const one of reports) call.write(one);
      call.end();
    });
  } finally {
    client.close();
  }
}

const latency = (ms: number, count: number): number[] => {
  const buckets = new Array<number>(bucketCount).fill(0);
  buckets[bucketOf(ms * 1000)] = count;
  return buckets;
};
const outbound = (peer: string, more: Partial<Edge> = {}): EdgeReport => ({
  windowMs: 1000,
  edges: [
    {
      direction: 'OUTBOUND',
      peer: { namespace: 'default', name: peer },
      peerIdentity: spiffe(peer),
      requests: 100,
      failures: 2,
      retries: 3,
      latency: latency(5, 100),
      ...more,
    },
  ],
});
const inbound = (peer: string, more: Partial<Edge> = {}): EdgeReport =>
  outbound(peer, { direction: 'INBOUND', ...more });

test('an edge has the counts of the calling side and an identity from each end', async () => {
  expect(await report('web', outbound('cart'), outbound('cart'))).toEqual({ reports: 2 });
  await report('cart', inbound('web', { requests: 150, latency: latency(1, 150) }));
  const [edge, ...others] = service.edges();
  expect(others).toEqual([]);
  expect(edge).toMatchObject({
    source: 'default/web',
    destination: 'default/cart',
    sourceIdentity: spiffe('web'),
    destinationIdentity: spiffe('cart'),
    requests: 200,
    failures: 4,
    retries: 6,
    totalRequests: 200,
    totalFailures: 4,
    windowMs: 10_000,
  });
  expect(edge!.p50Ms).toBeGreaterThan(4);
  expect(edge!.p99Ms).toBeLessThanOrEqual(6);
});

test('a caller outside the mesh is counted by the callee', async () => {
  await report('cart', {
    windowMs: 1000,
    edges: [{ ...inbound('web').edges![0]!, peer: { namespace: '', name: 'unknown' }, peerIdentity: '' }],
  });
  expect(service.edges()).toMatchObject([
    { source: 'unknown', destination: 'default/cart', requests: 100, sourceIdentity: '', destinationIdentity: '' },
  ]);
});

test('a steady rate is shown as it is, whatever part of a second has passed since the last report', async () => {
  for (let second = 0; second < 25; second++) {
    await report('web', outbound('cart'));
    clock.advance(400);
    expect(service.edges()[0]).toMatchObject({ requestsPerSecond: 100 });
    clock.advance(550);
    expect(service.edges()[0]).toMatchObject({ requestsPerSecond: 100 });
    clock.advance(50);
  }
});

test('counts leave the window after ten seconds, totals stay', async () => {
  await report('web', outbound('cart'));
  clock.advance(9000);
  await report('web', outbound('cart'));
  expect(service.edges()[0]).toMatchObject({ requests: 200, requestsPerSecond: 20 });
  clock.advance(2000);
  expect(service.edges()[0]).toMatchObject({ requests: 100, requestsPerSecond: 10 });
  clock.advance(60_000);
  expect(service.edges()[0]).toMatchObject({ requests: 0, requestsPerSecond: 0, p99Ms: 0, totalRequests: 200 });
});

test('a report that was held up for long counts in the totals only', async () => {
  await report('web', { ...outbound('cart'), windowMs: 3_600_000 });
  expect(service.edges()[0]).toMatchObject({ requests: 0, totalRequests: 100 });
});

test('the edge that was quiet for longest makes room for a new one', async () => {
  for (const peer of ['a', 'b', 'c']) await report('web', outbound(peer));
  await report('web', outbound('a'));
  await report('web', outbound('d'));
  expect(service.edges().map(({ destination }) => destination)).toEqual(['default/a', 'default/c', 'default/d']);
});

test('a caller without a certificate is refused', async () => {
  expect(await report(undefined, outbound('cart'))).toEqual({ code: 16 });
  expect(service.edges()).toEqual([]);
});

test.each<[string, Partial<Edge>]>([
  ['more requests than any sidecar passes', { requests: 2e9 }],
  ['more than a double holds exactly', { requests: '18446744073709551615' }],
  ['more failures than requests', { requests: 1, latency: [], failures: 2 }],
  ['more samples than requests', { requests: 1, failures: 0, latency: latency(5, 100) }],
  ['more buckets than there are', { latency: new Array<number>(bucketCount + 1).fill(0) }],
  ['no direction', { direction: 'DIRECTION_UNSPECIFIED' }],
  ['no peer', { peer: null }],
  ['a peer that is no name', { peer: { namespace: 'default', name: 'a b\u001b[2J' } }],
  ['a peer in the namespace of nobody', { peer: { namespace: '', name: 'cart' } }],
  ['an identity that is none', { peerIdentity: 'spiffe://mesh.local/<script>' }],
])('a report with %s ends the stream and counts nothing', async (_, bad) => {
  expect(await report('web', outbound('cart', bad))).toEqual({ code: 3 });
  expect(service.edges()).toEqual([]);
});

test('a report with too many edges ends the stream', async () => {
  const edges = Array.from({ length: 4001 }, () => outbound('cart').edges![0]!);
  expect(await report('web', { windowMs: 1000, edges })).toEqual({ code: 3 });
});
