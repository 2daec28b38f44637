import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { FinishedExchange } from './finished-exchange.ts';
import type { SpanExport } from './spans.ts';

/** Where sampled exchanges go. */
export interface SpanSink {
  add(exchange: FinishedExchange): void;
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
  const { log } = options;
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
    add(exchange) {
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
