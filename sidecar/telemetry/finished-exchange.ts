import type { ExchangeRecord } from './telemetry.ts';

/** A finished exchange, kept for its span: a record is reused for the next exchange of its connection. */
export interface FinishedExchange {
  readonly direction: 'inbound' | 'outbound';
  readonly peer: string;
  readonly record: Readonly<ExchangeRecord>;
  /** Ms since 1970. */
  readonly startWallMs: number;
}
