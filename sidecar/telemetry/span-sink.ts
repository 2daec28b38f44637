import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { EdgeStats } from './edge-stats.ts';
import type { FinishedExchange } from './finished-exchange.ts';
import type { SpanExport } from './spans.ts';
import type { ExchangeRecord } from './telemetry.ts';

/** Where sampled exchanges go. */
export interface SpanSink {
  add(edge: EdgeStats, record: ExchangeRecord): void;
  exported(): number;
  droppedQueueFull(): number;
  droppedExportFailed(): number;
  /** Sends what is queued, for at most two seconds. */
  close(): Promise<void>;
}

/** Exchanges kept while the exporter loads: it takes a tenth of a second, and only where there is a collector. */
const maxEarly = 256;

/** Loads the exporter aside and hands it each sampled exchange. */
export function startSpanSink(options: {
  readonly endpoint: string;
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}): SpanSink {
  const { clock, log } = options;
  let early: FinishedExchange[] = [];
  let earlyDropped = 0;
  let target: SpanExport | undefined;

  const load = async (): Promise<void> => {
    try {
      const { startSpanExport } = await import('./spans.ts');
      target = startSpanExport(options);
      for (const exchange of early) target.add(exchange);
    } catch (error) {
      log.error('traces are off: the exporter did not load', { error: messageOf(error) });
      earlyDropped += early.length;
    }
    early = [];
  };
  const loading = load();

  return {
    add(edge, record) {
      const now = clock.now();
      const exchange = {
        direction: edge.direction,
        peer: edge.peer,
        record: ownCopy(record),
        startWallMs: clock.wall() - (now - record.startMs),
      };
      if (target !== undefined) target.add(exchange);
      else if (early.length < maxEarly) early.push(exchange);
      else earlyDropped++;
    },
    exported: () => target?.exported() ?? 0,
    droppedQueueFull: () => earlyDropped + (target?.droppedQueueFull() ?? 0),
    droppedExportFailed: () => target?.droppedExportFailed() ?? 0,
    async close() {
      await loading;
      await target?.close();
    },
  };
}

/** Longest text of a peer that a span takes, in characters. */
const maxText = 1024;

/** A copy whose texts are not slices of whole heads, which a queued span would keep in memory. */
function ownCopy(record: ExchangeRecord): ExchangeRecord {
  return {
    ...record,
    method: own(record.method),
    host: own(record.host),
    path: own(record.path),
    requestId: own(record.requestId),
    traceId: own(record.traceId),
    spanId: own(record.spanId),
    parentSpanId: own(record.parentSpanId),
    tracestate: '',
  };
}

const own = (text: string): string => Buffer.from(text.slice(0, maxText), 'utf8').toString('utf8');
