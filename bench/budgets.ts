import { type Metric, metrics, type Table, valuesOf } from './metrics.ts';
import { ratios, spread } from './stats.ts';

/** What Weft may cost: a value, or, with `versus`, so many times what that peer cost in the same rounds. */
export interface Budget {
  readonly scenario: string;
  readonly contender: string;
  readonly metric: Metric;
  readonly versus?: string;
  readonly limit: number;
}

const cpu = { metric: 'cpuUs' } as const;

const budgets: readonly Budget[] = [
  { ...cpu, scenario: 'plain', contender: 'weft inbound', versus: 'haproxy', limit: 1.5 },
  { ...cpu, scenario: 'plain', contender: 'weft inbound', versus: 'envoy', limit: 0.6 },
  { ...cpu, scenario: 'plain', contender: 'weft outbound', versus: 'haproxy', limit: 1.5 },
  { ...cpu, scenario: 'plain', contender: 'weft outbound', versus: 'envoy', limit: 0.6 },
  { ...cpu, scenario: 'mtls', contender: 'weft', versus: 'envoy', limit: 0.7 },
  { scenario: 'idle', contender: 'weft inbound', metric: 'rssMib', limit: 75 },
  { scenario: 'idle', contender: 'weft, control plane', metric: 'rssMib', limit: 75 },
  { scenario: 'idle', contender: 'weft inbound', metric: 'anonMib', limit: 30 },
  { scenario: 'idle', contender: 'weft, control plane', metric: 'anonMib', limit: 30 },
  { scenario: 'idle', contender: 'weft inbound', metric: 'readyMs', limit: 500 },
  { scenario: 'idle', contender: 'weft, control plane', metric: 'readyMs', limit: 500 },
  { scenario: 'heap', contender: 'weft inbound', metric: 'heapBytes', limit: 2048 },
  { scenario: 'heap', contender: 'weft outbound', metric: 'heapBytes', limit: 2048 },
];

export interface Verdict {
  readonly budget: Budget;
  readonly text: string;
  readonly verdict: 'kept' | 'missed' | 'not measured';
  readonly value?: number;
}

/** Holds each budget against the medians. What was not measured is neither kept nor missed. */
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
    const text = `${budget.scenario}: ${budget.contender}: ${metrics[budget.metric].title} ≤ ${limit}`;
    if (found.length === 0) return [{ budget, text, verdict: 'not measured' }];
    const value = spread(found).median;
    return [{ budget, text, verdict: value <= budget.limit ? 'kept' : 'missed', value }];
  });
}
