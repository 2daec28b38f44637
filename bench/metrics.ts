/** Everything that can stand in a column, with its unit. `compared`: it says what a proxy costs, and is held against the peers. */
export const metrics = {
  cpuUs: { title: 'CPU µs/req', digits: 1, compared: true },
  userUs: { title: 'user', digits: 1 },
  sysUs: { title: 'sys', digits: 1 },
  rate: { title: 'req/s', digits: 0 },
  busyPercent: { title: 'CPU busy %', digits: 0 },
  p50Ms: { title: 'p50 ms', digits: 2 },
  p99Ms: { title: 'p99 ms', digits: 2 },
  addedP99Ms: { title: 'added p99 ms', digits: 2 },
  jitterP99Ms: { title: 'p99 ms with jitter', digits: 2 },
  addedJitterP99Ms: { title: 'added with jitter', digits: 2 },
  meanMs: { title: 'mean ms', digits: 2 },
  slowestMs: { title: 'slowest ms', digits: 0 },
  failed: { title: 'failed', digits: 0 },
  mostOpen: { title: 'open at once', digits: 0 },
  rssMib: { title: 'RSS MiB', digits: 1 },
  anonMib: { title: 'anon MiB', digits: 1 },
  growthMib: { title: 'RSS growth MiB', digits: 1 },
  kibPerConnection: { title: 'KiB/connection', digits: 1 },
  readyMs: { title: 'ready ms', digits: 0 },
  heapBytes: { title: 'heap B/req', digits: 0 },
  down: { title: 'down MB/CPU s', digits: 0, compared: true },
  up: { title: 'up MB/CPU s', digits: 0, compared: true },
  downMbPerS: { title: 'down MB/s', digits: 0 },
  upMbPerS: { title: 'up MB/s', digits: 0 },
  down1m: { title: '1 MiB down MB/CPU s', digits: 0, compared: true },
  up1m: { title: '1 MiB up MB/CPU s', digits: 0, compared: true },
  down100m: { title: '100 MiB down MB/CPU s', digits: 0, compared: true },
  up100m: { title: '100 MiB up MB/CPU s', digits: 0, compared: true },
} as const satisfies Readonly<Record<string, { title: string; digits: number; compared?: true }>>;
export type Metric = keyof typeof metrics;

/** What one contender showed in one round. Absent: not measured. */
export type Sample = Partial<Record<Metric, number>>;

/** One line of a table, all rounds. */
export interface Row {
  readonly contender: string;
  /** By round; an invalid one has no values. */
  readonly rounds: readonly Sample[];
  /** Why there are no or fewer values. */
  readonly problems: readonly string[];
}

export interface Table {
  readonly scenario: string;
  readonly title: string;
  readonly columns: readonly Metric[];
  readonly rows: readonly Row[];
}

/** The values of one metric, by round. */
export const valuesOf = (row: Row, metric: Metric): readonly (number | undefined)[] =>
  row.rounds.map((sample) => sample[metric]);
