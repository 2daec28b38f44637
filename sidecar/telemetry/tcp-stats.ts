import { type ErrorCode, errors } from '../../lib/errors.ts';
import type { NewCells } from './cells.ts';
import { maxPeers } from './edge-stats.ts';
import type { ExchangeRecord, TcpEdge } from './telemetry.ts';

/** With what a connection can end; '' when both sides had said all they had to say. */
const codes: readonly string[] = ['', ...Object.keys(errors)];
const codeIndex = new Map(codes.map((code, index) => [code, index]));

const openNow = 0;
const openedTotal = 1;
const toServiceBytes = 2;
const toCallerBytes = 3;
const ended = 4;
const cells = ended + codes.length;

/** What becomes of a connection that is over, besides being counted. */
type Log = (edge: TcpStats, record: ExchangeRecord) => void;

/** TCP connections of one direction and peer. Octets are counted as they move: a connection may go on for days. */
export class TcpStats implements TcpEdge {
  readonly direction: 'inbound' | 'outbound';
  readonly peer: string;
  readonly counts: Float64Array;
  readonly #log: Log;

  constructor(direction: 'inbound' | 'outbound', peer: string, log: Log, newCells: NewCells) {
    this.direction = direction;
    this.peer = peer;
    this.counts = newCells({ kind: 'tcp', direction, peer }, cells, openNow);
    this.#log = log;
  }

  opened(): void {
    this.counts[openNow]!++;
    this.counts[openedTotal]!++;
  }

  toService(octets: number): void {
    this.counts[toServiceBytes]! += octets;
  }

  toCaller(octets: number): void {
    this.counts[toCallerBytes]! += octets;
  }

  closed(record: ExchangeRecord): void {
    this.counts[openNow]!--;
    this.counts[ended + codeIndex.get(record.code as ErrorCode)!]!++;
    this.#log(this, record);
  }

  get open(): number {
    return this.counts[openNow]!;
  }
  get openedTotal(): number {
    return this.counts[openedTotal]!;
  }
  get toServiceBytes(): number {
    return this.counts[toServiceBytes]!;
  }
  get toCallerBytes(): number {
    return this.counts[toCallerBytes]!;
  }

  /** Calls back for each code with which a connection ever ended. */
  eachEnd(found: (code: string, count: number) => void): void {
    for (const [index, code] of codes.entries()) {
      const count = this.counts[ended + index]!;
      if (count > 0) found(code, count);
    }
  }
}

/** All of them. They live as long as the sidecar does: counters must not go back. */
export class TcpTable {
  readonly #edges = { inbound: new Map<string, TcpStats>(), outbound: new Map<string, TcpStats>() };
  readonly #log: Log;
  readonly #newCells: NewCells;

  constructor(log: Log, newCells: NewCells) {
    this.#log = log;
    this.#newCells = newCells;
  }

  edge(direction: 'inbound' | 'outbound', peer: string): TcpStats {
    const edges = this.#edges[direction];
    const name = edges.has(peer) || edges.size < maxPeers ? peer : 'other';
    const found = edges.get(name);
    if (found !== undefined) return found;
    const edge = new TcpStats(direction, name, this.#log, this.#newCells);
    edges.set(name, edge);
    return edge;
  }

  *all(): Generator<TcpStats> {
    yield* this.#edges.inbound.values();
    yield* this.#edges.outbound.values();
  }
}
