import { type Metric, metrics, type Table, valuesOf } from './metrics.ts';
import { ratios, spread } from './stats.ts';

/** What Weft may cost: a value, or, with `versus`, so many times what that peer cost in the same rounds. */
export interface Budget {
  readonly scenario: string;
  readonly contender: string;
  readonly metric: Metric;
  readonly versus?: string;
  readonly limit: number;
  /** The limit is the least instead of the most: for what is better when it is more. */
  readonly atLeast?: true;
}

/** The same budget for several lines of a table. */
const each = (contenders: readonly string[], budget: Omit<Budget, 'contender'>): readonly Budget[] =>
  contenders.map((contender) => ({ ...budget, contender }));

const oneHop = ['weft inbound', 'weft outbound'];
const idle = ['weft inbound', 'weft, control plane'];
const heap = [...oneHop, 'weft inbound, h2c', 'weft outbound, h2c', 'weft, two hops'];
const atLeast = true;

const budgets: readonly Budget[] = [
  ...each(oneHop, { scenario: 'plain', metric: 'cpuUs', versus: 'haproxy', limit: 1.4 }),
  ...each(oneHop, { scenario: 'plain', metric: 'cpuUs', versus: 'envoy', limit: 0.6 }),
  { scenario: 'mtls', contender: 'weft', metric: 'cpuUs', versus: 'haproxy', limit: 1 },
  { scenario: 'mtls', contender: 'weft', metric: 'cpuUs', versus: 'envoy', limit: 0.7 },
  { scenario: 'mtls', contender: 'weft', metric: 'cpuUs', versus: 'envoy (h2 between)', limit: 0.5 },
  ...each(oneHop, { scenario: 'h2c', metric: 'cpuUs', versus: 'envoy', limit: 1 }),
  ...each(oneHop, { scenario: 'grpc', metric: 'cpuUs', versus: 'envoy', limit: 1 }),
  { scenario: 'constant', contender: 'weft', metric: 'cpuUs', versus: 'envoy', limit: 1 },
  { scenario: 'constant', contender: 'weft', metric: 'addedP99Ms', limit: 1 },
  ...(['down1m', 'up1m', 'down100m', 'up100m'] as const).map(
    (metric): Budget => ({
      ...{ scenario: 'bodies', contender: 'weft', metric, versus: 'envoy (h2 between)', limit: 0.8, atLeast },
    }),
  ),
  { scenario: 'bodies', contender: 'weft', metric: 'growthMib', limit: 24 },
  { scenario: 'tcp', contender: 'weft', metric: 'down', versus: 'haproxy', limit: 0.7, atLeast },
  { scenario: 'tcp', contender: 'weft', metric: 'up', versus: 'haproxy', limit: 0.7, atLeast },
  { scenario: 'streams', contender: 'weft', metric: 'failed', limit: 0 },
  { scenario: 'streams', contender: 'weft', metric: 'slowestMs', versus: 'no proxy', limit: 3 },
  // 200 MB.
  ...each(oneHop, { scenario: 'connections', metric: 'rssMib', limit: 190 }),
  ...each(idle, { scenario: 'idle', metric: 'rssMib', limit: 75 }),
  ...each(idle, { scenario: 'idle', metric: 'anonMib', limit: 30 }),
  ...each(idle, { scenario: 'idle', metric: 'readyMs', limit: 500 }),
  ...each(heap, { scenario: 'heap', metric: 'heapBytes', limit: 1024 }),
];

export interface Verdict {
  readonly budget: Budget;
  readonly text: string;
  readonly verdict: 'kept' | 'missed' | 'not measured';
  readonly value?: number;
}

/**
 * Holds each budget against the medians. What could not be measured here is neither kept nor missed; but a line of Weft that
 * was to be measured and gave nothing has missed.
 */
export function judge(tables: readonly Table[], given: readonly Budget[] = budgets): readonly Verdict[] {
  return given.flatMap((budget): readonly Verdict[] => {
    const table = tables.find((one) => one.scenario === budget.scenario);
    if (table === undefined) return [];
    const values = (contender: string) => {
      const row = table.rows.find((one) => one.contender === contender);
      return row === undefined ? [] : valuesOf(row, budget.metric);
    };
    const own = values(budget.contender);
    const found =
      budget.versus === undefined ? own.filter((value) => value !== undefined) : ratios(own, values(budget.versus));
    const limit = budget.versus === undefined ? String(budget.limit) : `${budget.limit} × ${budget.versus}`;
    const text = `${budget.scenario}: ${budget.contender}: ${metrics[budget.metric].title} ${budget.atLeast ? '≥' : '≤'} ${limit}`;
    if (found.length === 0) {
      const failed = own.length > 0 && own.every((value) => value === undefined);
      return [{ budget, text, verdict: failed ? 'missed' : 'not measured' }];
    }
    const value = spread(found).median;
    const kept = budget.atLeast ? value >= budget.limit : value <= budget.limit;
    return [{ budget, text, verdict: kept ? 'kept' : 'missed', value }];
  });
}
