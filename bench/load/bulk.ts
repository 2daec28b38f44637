import { fileURLToPath } from 'node:url';
import type { Rig } from '../rig.ts';
import { graceS, type Load } from './load.ts';

/** What the generator is told, as one JSON argument. */
export interface Bulk {
  /** HTTP/1.1 requests with bodies, or the lines of the origin without a protocol. */
  readonly over: 'http' | 'tcp';
  /** Seen from the one who asks: octets come, or octets are sent. */
  readonly direction: 'down' | 'up';
  /** Octets of one body. */
  readonly size: number;
  readonly connections: number;
}

export interface BulkOrder extends Bulk {
  readonly port: number;
  readonly seconds: number;
}

/** What the generator prints. */
export interface BulkReport {
  readonly bodies: number;
  readonly elapsedMs: number;
  readonly problems: readonly string[];
}

/** Bodies without pause on each connection. No body begins after the time is over, and each is carried to its end. */
export async function bulk(rig: Rig, port: number, seconds: number, what: Bulk): Promise<Load> {
  const order: BulkOrder = { ...what, port, seconds };
  const program = fileURLToPath(new URL('./bulk-client.ts', import.meta.url));
  // The last bodies may take as long again.
  const limitS = 2 * seconds + graceS;
  const text = await rig.run(process.execPath, [program, JSON.stringify(order)], 'load', limitS);
  const { bodies, elapsedMs, problems } = JSON.parse(text) as BulkReport;
  return { requests: bodies, requestsPerSecond: (bodies / elapsedMs) * 1000, octets: bodies * what.size, problems };
}
