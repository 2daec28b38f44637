/** One garbage collection, from a line of `node --trace-gc-nvp`. */
export interface Collection {
  /** Milliseconds since the process began. */
  readonly atMs: number;
  /** Bytes of JS objects allocated since the collection before. */
  readonly allocated: number;
}

/** Reads one line; undefined when it is about something else. */
export function parseCollection(line: string): Collection | undefined {
  const found = /^\[\d+:0x[0-9a-f:]+\]\s+(\d+) ms: GC: (\{.*\})$/.exec(line);
  if (found === null) return undefined;
  const { allocated } = JSON.parse(found[2]!) as { allocated?: unknown };
  return typeof allocated === 'number' ? { atMs: Number(found[1]), allocated } : undefined;
}

/** Fewer collections than this say too little about the time between the first and the last. */
const enough = 4;

/**
 * Bytes allocated in a second, between the first and the last collection seen: so it does not matter what was allocated
 * before the first or after the last. undefined when there were too few.
 */
export function allocationRate(collections: readonly Collection[]): number | undefined {
  const first = collections[0];
  const last = collections.at(-1);
  if (first === undefined || last === undefined || collections.length < enough) return undefined;
  const bytes = collections.slice(1).reduce((sum, one) => sum + one.allocated, 0);
  return (bytes / (last.atMs - first.atMs)) * 1000;
}
