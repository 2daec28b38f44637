/** One garbage collection, from a line of `node --trace-gc-nvp`. */
export interface Collection {
  /** Of which process, and which thread of it. */
  readonly pid: number;
  readonly isolate: string;
  /** Milliseconds since the process began. */
  readonly atMs: number;
  /** Bytes of JS objects allocated since the collection before. */
  readonly allocated: number;
}

/** Reads one line; undefined when it is about something else. */
export function parseCollection(line: string): Collection | undefined {
  const found = /^\[(\d+):(0x[0-9a-f:]+)\]\s+(\d+) ms: GC: (\{.*\})$/.exec(line);
  if (found === null) return undefined;
  const { allocated } = JSON.parse(found[4]!) as { allocated?: unknown };
  if (typeof allocated !== 'number') return undefined;
  return { pid: Number(found[1]), isolate: found[2]!, atMs: Number(found[3]), allocated };
}

/** Fewer collections than this say too little about the time between the first and the last. */
const enough = 4;

/**
 * Bytes that one process allocated in a second, between the first and the last collection seen: so it does not matter what
 * was allocated before the first or after the last. undefined when there were too few.
 */
export function allocationRate(collections: readonly Collection[], pid: number): number | undefined {
  const threads = Map.groupBy(
    collections.filter((one) => one.pid === pid),
    (one) => one.isolate,
  );
  const rates = [...threads.values()].filter(({ length }) => length >= enough).map(rateOf);
  return rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0);
}

function rateOf(collections: readonly Collection[]): number {
  const bytes = collections.slice(1).reduce((sum, one) => sum + one.allocated, 0);
  return (bytes / (collections.at(-1)!.atMs - collections[0]!.atMs)) * 1000;
}
