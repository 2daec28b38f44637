import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { Limits } from './limits.ts';

/** How this thread is doing. */
export interface Reading {
  /** Used share of the memory that there may be: of the heap, or of the machine or container, whichever is nearer its end. */
  readonly memory: number;
  /** How late the loop was at most since the last reading, in ms. */
  readonly lateMs: number;
}
export type Readings = () => Reading;

const MIB = 1024 * 1024;
/** Of the old generation: what V8 cannot use of it (part-filled pages), and what may come before the next reading. */
const RESERVE = 4 * MIB;
/** Three semi-spaces make the young generation, of this size each unless the process was started otherwise. */
const SEMI_SPACE_MIB = 32;

/**
 * The used share of memory. The heap is measured by its old generation, which is what runs full; the young one fills and
 * empties all the time. Beside it counts what the process holds in all, as far as it is its own: pages of the program,
 * which the system can drop, are not counted.
 */
export function memoryReading({ memory }: Limits, execArgv: readonly string[] = process.execArgv): () => number {
  const limit = getHeapStatistics().heap_size_limit;
  const asked = /--max-semi-space-size=(\d+)/.exec(execArgv.join(' '));
  const young = 3 * MIB * (asked === null ? SEMI_SPACE_MIB : Number(asked[1]));
  const old = limit > young ? limit - young : limit;
  return () => {
    let used = 0;
    for (const space of getHeapSpaceStatistics())
      if (!space.space_name.startsWith('new_')) used += space.space_used_size;
    const { total_heap_size, external_memory, malloced_memory } = getHeapStatistics();
    return Math.max(used / (old - RESERVE), (total_heap_size + external_memory + malloced_memory) / memory);
  };
}
