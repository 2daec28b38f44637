import type { Clock } from '../../lib/clock.ts';
import type { EdgeStats } from './edge-stats.ts';
import type { ExchangeRecord } from './telemetry.ts';

/** A finished exchange, kept for its span: a record is reused for the next exchange of its connection. */
export interface FinishedExchange {
  readonly direction: 'inbound' | 'outbound';
  readonly peer: string;
  readonly record: Readonly<ExchangeRecord>;
  /** Ms since 1970. */
  readonly startWallMs: number;
}

export const finishedExchange = (edge: EdgeStats, record: ExchangeRecord, clock: Clock): FinishedExchange => ({
  direction: edge.direction,
  peer: edge.peer,
  record: ownCopy(record),
  startWallMs: clock.wall() - (clock.now() - record.startMs),
});

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
