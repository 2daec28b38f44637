/** What a generator did to a path and what came back. */
export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly meanMs?: number;
  readonly slowestMs?: number;
  /** Octets of bodies, where those are what counts. */
  readonly octets?: number;
  /** Requests that were not answered, or not with 2xx. */
  readonly failed?: number;
  /** What makes the run worthless, in words; empty when every request was answered with 2xx. */
  readonly problems: readonly string[];
}

/** All contenders get the same octets: the mesh routes by this name, the others ignore it. */
export const host = 'web';

/** Seconds beyond its own time after which a generator is taken for stuck. */
export const graceS = 30;

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** Reads `850.00us`, `1.20ms`, `1.05s` as milliseconds. */
export function parseMs(text: string): number {
  const [, value, unit] = /^([0-9.]+)(us|ms|s|m)$/.exec(text) ?? [];
  if (unit === undefined) throw new Error(`not a time: ${text}`);
  return Number(value) * unitMs[unit]!;
}

/** Each problem once, with how often it came. */
export function tally(problems: readonly string[]): readonly string[] {
  return [...Map.groupBy(problems, (problem) => problem)].map(([problem, { length }]) => `${length} times: ${problem}`);
}
