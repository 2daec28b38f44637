import { errors } from '../../lib/errors.ts';
import type { Outcome } from '../policy.ts';
import type { Condition } from './spec.ts';

/** The failures that a policy names, ready for looking up. */
export interface Wanted {
  readonly words: ReadonlySet<Condition>;
  readonly statuses: ReadonlySet<number>;
}

export function wanted(on: readonly (Condition | number)[]): Wanted {
  const statuses = new Set<number>();
  const words = new Set<Condition>();
  for (const one of on) {
    if (typeof one === 'number') statuses.add(one);
    else words.add(one);
    if (one === 'gateway-error') for (const status of [502, 503, 504]) statuses.add(status);
    if (one === 'retriable-4xx') statuses.add(409);
    if (one === '5xx') for (let status = 500; status < 600; status++) statuses.add(status);
  }
  return { words, statuses };
}

/** True when the policy names this failure. */
export function isWanted({ words, statuses }: Wanted, outcome: Outcome): boolean {
  const { error } = outcome;
  if (error === undefined) return statuses.has(outcome.status);
  const row = errors[error];
  // A connection that died while it was idle is a connect failure that was noticed late.
  const connect = error === 'UPSTREAM_CONNECT' || error === 'UPSTREAM_IDENTITY' || outcome.reusedConnection;
  return (
    (connect && words.has('connect-failure')) ||
    (row.retry === 'always' && words.has('refused')) ||
    (error === 'UPSTREAM_RESET' && words.has('reset')) ||
    (error === 'ATTEMPT_TIMEOUT' && words.has('attempt-timeout')) ||
    // An answer that never came counts as the status that the caller would get.
    statuses.has(outcome.status || row.http)
  );
}

/** True when another attempt cannot have an effect twice. `idempotent`: the request may be repeated in any case. */
export function isSafe(outcome: Outcome, idempotent: boolean): boolean {
  if (outcome.error === undefined) return idempotent;
  const { retry } = errors[outcome.error];
  return retry === 'always' || (retry === 'if-idempotent' && (idempotent || outcome.reusedConnection));
}
