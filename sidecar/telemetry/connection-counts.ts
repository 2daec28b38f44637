import type { NewCells } from './cells.ts';
import type { ConnectionStats } from './telemetry.ts';

/** Reasons come from a closed set; should one leak something of a peer, it does not grow without bound. */
const maxReasons = 32;

const open = 0;
const openedTotal = 1;
const handshakesOk = 2;
const cells = 3;

/** How many connections these counts say are open. */
export const openOf = (counts: Float64Array): number => counts[open]!;

/** Connections and handshakes of one direction and end. */
export class ConnectionCounts implements ConnectionStats {
  readonly direction: 'inbound' | 'outbound';
  readonly end: 'downstream' | 'upstream';
  readonly counts: Float64Array;
  /** By reason, one counter each. */
  readonly handshakesFailed = new Map<string, Float64Array>();
  readonly refusedBy = new Map<string, Float64Array>();
  readonly #newCells: NewCells;

  constructor(direction: 'inbound' | 'outbound', end: 'downstream' | 'upstream', newCells: NewCells) {
    this.direction = direction;
    this.end = end;
    this.counts = newCells({ kind: 'connections', direction, end }, cells, open);
    this.#newCells = newCells;
  }

  opened(): void {
    this.counts[open]!++;
    this.counts[openedTotal]!++;
  }

  closed(): void {
    this.counts[open]!--;
  }

  handshake(ok: boolean, reason: string): void {
    if (ok) this.counts[handshakesOk]!++;
    else this.failed(reason)[0]!++;
  }

  refused(reason: string): void {
    this.refusals(reason)[0]!++;
  }

  /** The counter of a reason why handshakes fail. */
  failed(reason: string): Float64Array {
    return this.#byReason(this.handshakesFailed, 'refused-handshakes', reason);
  }

  /** The counter of a reason why connections are refused. */
  refusals(reason: string): Float64Array {
    return this.#byReason(this.refusedBy, 'refused-connections', reason);
  }

  #byReason(
    counters: Map<string, Float64Array>,
    kind: 'refused-handshakes' | 'refused-connections',
    reason: string,
  ): Float64Array {
    const name = counters.has(reason) || counters.size < maxReasons ? reason : 'other';
    const found = counters.get(name);
    if (found !== undefined) return found;
    const { direction, end } = this;
    const made = this.#newCells({ kind, direction, end, reason: name }, 1, -1);
    counters.set(name, made);
    return made;
  }

  get open(): number {
    return this.counts[open]!;
  }
  get openedTotal(): number {
    return this.counts[openedTotal]!;
  }
  get handshakesOk(): number {
    return this.counts[handshakesOk]!;
  }
}
