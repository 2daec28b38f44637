import type { CellsOf } from '../telemetry/cells.ts';
import { openOf } from '../telemetry/connection-counts.ts';
import { endedOf } from '../telemetry/edge-stats.ts';

/** One block of counters of one seat. */
interface Block {
  readonly of: CellsOf;
  /** Where the sum over all seats is shown; several blocks may share one, as peers beyond the bound do. */
  readonly total: Float64Array;
  /** What the threads that sat here before have counted. */
  readonly before: Float64Array;
  /** Memory of the present thread; undefined while there is none. */
  now: Float64Array | undefined;
  readonly gauge: number;
}

/** The counters of worker threads, which live in memory that is shared: read here without asking, and not lost with a thread. */
export class Counts {
  readonly #seats: readonly Map<string, Block>[];
  readonly #totalOf: (of: CellsOf) => Float64Array;

  constructor(seats: number, totalOf: (of: CellsOf) => Float64Array) {
    this.#seats = Array.from({ length: seats }, () => new Map<string, Block>());
    this.#totalOf = totalOf;
  }

  /** The thread of a seat has begun to count here. */
  add(seat: number, of: CellsOf, cells: Float64Array, gauge: number): void {
    const key = JSON.stringify(of);
    const known = this.#seats[seat]!.get(key);
    if (known !== undefined) known.now = cells;
    else {
      const before = new Float64Array(cells.length);
      this.#seats[seat]!.set(key, { of, total: this.#totalOf(of), before, now: cells, gauge });
    }
  }

  /** The thread of a seat is gone: what it has counted stays, what was under way is not. */
  retire(seat: number): void {
    for (const block of this.#seats[seat]!.values()) {
      if (block.now !== undefined) addTo(block.before, block.now);
      if (block.gauge >= 0) block.before[block.gauge] = 0;
      block.now = undefined;
    }
  }

  /** Brings the sums up to date. */
  addUp(): void {
    for (const seat of this.#seats) for (const { total } of seat.values()) total.fill(0);
    for (const seat of this.#seats)
      for (const { total, before, now } of seat.values()) {
        addTo(total, before);
        if (now !== undefined) addTo(total, now);
      }
  }

  /** Exchanges that a seat has ended, and its connections that are open. */
  figures(seat: number): { readonly requests: number; readonly connections: number } {
    let requests = 0;
    let connections = 0;
    for (const { of, before, now } of this.#seats[seat]!.values()) {
      if (of.kind === 'edge') requests += endedOf(before) + (now === undefined ? 0 : endedOf(now));
      if (of.kind === 'connections' && now !== undefined) connections += openOf(now);
    }
    return { requests, connections };
  }
}

function addTo(sum: Float64Array, more: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += more[i]!;
}
