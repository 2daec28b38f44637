import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { version } from '../../lib/version.ts';
import type { NewCells } from '../telemetry/cells.ts';
import type { FinishedExchange } from '../telemetry/finished-exchange.ts';
import type { SpanSink } from '../telemetry/span-sink.ts';
import { type RunningTelemetry, startTelemetry, type TelemetryWanted } from '../telemetry/start-telemetry.ts';
import type { FromWorker } from './messages.ts';
import { Outbox } from './outbox.ts';

/** Spans held while the main thread is behind; as many as its exporter holds. */
const maxSpans = 2048;
const spansMs = 100;
/** How soon the main thread hears whom an edge is with. */
const identitiesMs = 1000;

/**
 * The telemetry of a worker thread. It counts in memory that the main thread reads, and hands over lines of the access log
 * and spans in batches, one of each under way.
 */
export interface RelayTelemetry {
  readonly telemetry: RunningTelemetry;
  /** The batch under way has been taken, or not: `problem` says why. */
  taken(outlet: 'lines' | 'spans', problem: string | undefined): void;
  /** Hands over what is held, for at most a second. */
  close(): Promise<void>;
}

export function relayTelemetry(options: {
  readonly post: (message: FromWorker) => void;
  /** `namespace/name`. */
  readonly service: string;
  readonly wanted: TelemetryWanted;
  readonly clock: Clock;
  readonly log: Log;
}): RelayTelemetry {
  const { post, service, wanted, clock, log } = options;
  const newCells: NewCells = (of, length, gauge) => {
    const cells = new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));
    post({ kind: 'cells', of, cells, gauge });
    return cells;
  };

  const spans = new Outbox<FinishedExchange>({
    send: (batch) => post({ kind: 'spans', spans: batch }),
    most: maxSpans,
    delayMs: spansMs,
    clock,
  });
  const spansDropped = newCells({ kind: 'spans-dropped' }, 1, -1);
  const sink: SpanSink = {
    add(exchange) {
      if (!spans.add(exchange)) spansDropped[0]!++;
    },
    exported: () => 0,
    droppedQueueFull: () => spansDropped[0]!,
    droppedExportFailed: () => 0,
    close: () => spans.close(),
  };

  let written: (error?: Error | null) => void = () => {};
  const telemetry = startTelemetry({
    service,
    instance: '',
    version,
    config: {
      accessLog: wanted.accessLog,
      accessLogWrite(octets, done) {
        written = done;
        // A copy of just these octets: the buffer may be part of a larger one, all of which would be sent.
        post({ kind: 'lines', octets: new Uint8Array(octets) });
      },
      traceSample: wanted.traceSample,
    },
    newCells,
    ...(wanted.spans ? { spans: sink } : {}),
    clock,
    log,
  });

  const told = new Map<string, string>();
  const tellIdentities = (): void => {
    const news = telemetry.shared
      .identities()
      .filter(({ direction, peer, spiffeId }) => told.get(`${direction} ${peer}`) !== spiffeId);
    for (const { direction, peer, spiffeId } of news) told.set(`${direction} ${peer}`, spiffeId);
    if (news.length > 0) post({ kind: 'identities', identities: news });
  };
  let cancel = (): void => {};
  const tick = (): void => {
    cancel = clock.after(identitiesMs, () => {
      tellIdentities();
      tick();
    });
  };
  tick();

  return {
    telemetry,
    taken(outlet, problem) {
      if (outlet === 'spans') spans.taken();
      else written(problem === undefined ? null : new Error(problem));
    },
    async close() {
      cancel();
      tellIdentities();
      await telemetry.close();
    },
  };
}
