/** Everything that can stand in a column, with its unit. */
export const metrics = {
  cpuUs: { title: 'CPU µs/req', digits: 1 },
  userUs: { title: 'user', digits: 1 },
  sysUs: { title: 'sys', digits: 1 },
  rate: { title: 'req/s', digits: 0 },
  busyPercent: { title: 'CPU busy %', digits: 0 },
  p50Ms: { title: 'p50 ms', digits: 2 },
  p99Ms: { title: 'p99 ms', digits: 2 },
  addedP99Ms: { title: 'added p99 ms', digits: 2 },
  rssMib: { title: 'RSS MiB', digits: 1 },
  anonMib: { title: 'anon MiB', digits: 1 },
  readyMs: { title: 'ready ms', digits: 0 },
  heapBytes: { title: 'heap B/req', digits: 0 },
} as const;
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
