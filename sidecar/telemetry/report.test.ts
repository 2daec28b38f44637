import {
  credentials,
  Server as GrpcServer,
  type Server,
  ServerCredentials,
  type ServerReadableStream,
} from '@grpc/grpc-js';
import { manualClock } from '../../lib/clock.ts';
import { bucketCount } from '../../lib/latency.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import type { EdgeReport__Output } from '../../proto/gen/weft/v1/EdgeReport.ts';
import type { ReportSummary } from '../../proto/gen/weft/v1/ReportSummary.ts';
import { weftProto } from '../../proto/load.ts';
import { until } from '../../test/harness/until.ts';
import type { EdgeWindow } from './edge-stats.ts';
import { startReports } from './report.ts';

/** Things that happen, for tests that wait for each. */
class Events<T extends {}> {
  readonly #come: T[] = [];
  readonly #waiting: ((event: T) => void)[] = [];
  add(event: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#come.push(event);
    else waiting(event);
  }
  next(): Promise<T> {
    const event = this.#come.shift();
    return event === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(event);
  }
}

interface Collector {
  readonly port: number;
  readonly reports: Events<EdgeReport__Output>;
  readonly ended: Events<string>;
  stop(): void;
}

const channelTo = (target: string) => ({ target, credentials: credentials.createInsecure(), options: {} });

/** Closed after each test, so that one that fails does not keep the others from ending. */
const open: { close(): unknown }[] = [];
afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));

/** A control plane as far as reports go: the real service on a real socket. */
async function startCollector(port = 0): Promise<Collector> {
  const reports = new Events<EdgeReport__Output>();
  const ended = new Events<string>();
  const server: Server = new GrpcServer();
  server.addService(weftProto().Telemetry.service, {
    Report(
      call: ServerReadableStream<EdgeReport__Output, ReportSummary>,
      done: (error: null, sum: ReportSummary) => void,
    ) {
      call.on('data', (report: EdgeReport__Output) => reports.add(report));
      call.on('end', () => {
        ended.add('ended');
        done(null, { reports: 0 });
      });
    },
  });
  open.push({ close: () => server.forceShutdown() });
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  return { port: bound, reports, ended, stop: () => server.forceShutdown() };
}

const edge = (given: Partial<EdgeWindow> = {}): EdgeWindow => ({
  direction: 'outbound',
  peer: 'default/cart',
  peerIdentity: 'spiffe://weft/ns/default/sa/cart',
  requests: 3,
  failures: 1,
  latency: Array.from({ length: bucketCount }, (_, bucket) => (bucket === 4 ? 3 : 0)),
  retries: 2,
  ...given,
});

/** A clock that is moved on by hand, and says when somebody waits on it. */
function watchedClock() {
  const clock = manualClock();
  const waits = new Events<number>();
  return {
    clock: {
      ...clock,
      after(ms: number, fn: () => void) {
        waits.add(ms);
        return clock.after(ms, fn);
      },
    },
    waits,
  };
}

test('each window with traffic becomes one report; an idle one becomes none', async () => {
  const collector = await startCollector();
  const clock = manualClock();
  const windows: EdgeWindow[][] = [
    [edge(), edge({ direction: 'inbound', peer: 'unknown', peerIdentity: '' })],
    [],
    [edge({ requests: 9 })],
  ];
  const reports = startReports({
    channel: () => channelTo(`127.0.0.1:${collector.port}`),
    take: () => windows.shift() ?? [],
    clock,
    log: silentLog,
  });
  open.push(reports);
  clock.advance(1000);
  const first = await collector.reports.next();
  expect(first).toEqual({
    windowMs: 1000,
    edges: [
      {
        direction: 'OUTBOUND',
        peer: { namespace: 'default', name: 'cart' },
        peerIdentity: 'spiffe://weft/ns/default/sa/cart',
        requests: 3,
        failures: 1,
        latency: edge().latency,
        retries: 2,
      },
      expect.objectContaining({ direction: 'INBOUND', peer: { namespace: '', name: 'unknown' } }),
    ],
  });
  // A window is skipped while the one before is still on its way, so the clock may have to move on more than twice.
  await until('both windows are taken', () => {
    clock.advance(1000);
    return windows.length === 0;
  });
  expect(await collector.reports.next()).toMatchObject({ edges: [{ requests: 9 }] });
  windows.push([edge({ requests: 11 })]);
  await reports.close();
  expect(await collector.reports.next()).toMatchObject({ edges: [{ requests: 11 }] });
  await collector.ended.next();
  collector.stop();
});

test('while the control plane is away nothing is taken, and once it is back the next window covers the gap', async () => {
  const first = await startCollector();
  const { clock, waits } = watchedClock();
  let taken = 0;
  const reports = startReports({
    channel: () => channelTo(`127.0.0.1:${first.port}`),
    take: () => [edge({ requests: ++taken })],
    clock: clock,
    log: silentLog,
    random: seededRandom(1),
  });
  open.push(reports);
  expect(await waits.next()).toBe(1000);
  clock.advance(1000);
  await first.reports.next();
  expect(await waits.next()).toBe(1000);
  first.stop();

  const delays: number[] = [];
  for (let i = 0; i < 3; i++) {
    const delay = await waits.next();
    delays.push(delay);
    clock.advance(delay);
    await waits.next(); // the tick of the next connection, which fails in its turn
  }
  expect(taken).toBe(1);
  for (const [attempt, delay] of delays.entries()) {
    expect(delay).toBeGreaterThanOrEqual(250 * 2 ** attempt);
    expect(delay).toBeLessThanOrEqual(500 * 2 ** attempt);
  }

  const second = await startCollector(first.port);
  clock.advance(await waits.next());
  await waits.next();
  clock.advance(1000);
  const { windowMs, edges } = await second.reports.next();
  expect(windowMs).toBeGreaterThan(2500);
  expect(edges).toMatchObject([{ requests: 2 }]);
  await reports.close();
  second.stop();
});

test('closing without a control plane ends at once', async () => {
  const { clock, waits } = watchedClock();
  const reports = startReports({
    channel: () => channelTo('unix:/nowhere/weft.sock'),
    take: () => [],
    clock,
    log: silentLog,
  });
  open.push(reports);
  await waits.next();
  await waits.next();
  await reports.close();
});
