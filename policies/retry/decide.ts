import { errors } from '../../lib/errors.ts';
import { type GrpcStatus, grpcStatus } from '../../lib/grpc-status.ts';
import type { Outcome } from '../policy.ts';
import type { Condition, GrpcCondition } from './spec.ts';

/** The failures that a policy names, ready for looking up. */
export interface Wanted {
  readonly words: ReadonlySet<Condition>;
  readonly statuses: ReadonlySet<number>;
  readonly grpcStatuses: ReadonlySet<number>;
}

export function wanted(on: readonly (Condition | number)[], grpc: readonly GrpcCondition[]): Wanted {
  const statuses = new Set<number>();
  const words = new Set<Condition>();
  for (const one of on) {
    if (typeof one === 'number') statuses.add(one);
    else words.add(one);
    if (one === 'gateway-error') for (const status of [502, 503, 504]) statuses.add(status);
    if (one === 'retriable-4xx') statuses.add(409);
    if (one === '5xx') for (let status = 500; status < 600; status++) statuses.add(status);
  }
  const grpcStatuses = new Set(grpc.map((name) => grpcStatus[name.toUpperCase().replaceAll('-', '_') as GrpcStatus]));
  return { words, statuses, grpcStatuses };
}

/** True when the policy names this failure. */
export function isWanted({ words, statuses, grpcStatuses }: Wanted, outcome: Outcome): boolean {
  if (grpcStatuses.has(outcome.grpcStatus)) return true;
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
    // An answer that never came counts as the status that the caller would get; to gRPC callers errors go as 200, too.
    statuses.has(outcome.grpcStatus >= 0 ? row.http : outcome.status || row.http)
  );
}

/**
 * True when another attempt cannot have an effect twice, or somebody has said that it may. `idempotent`: the request may
 * be repeated in any case.
 */
export function isSafe({ grpcStatuses }: Wanted, outcome: Outcome, idempotent: boolean): boolean {
  // All calls of gRPC are POST, so methods say nothing: who names the status means that the calls may be repeated.
  const repeatable = idempotent || grpcStatuses.has(outcome.grpcStatus);
  if (outcome.error === undefined) return repeatable;
  const { retry } = errors[outcome.error];
  return retry === 'always' || (retry === 'if-idempotent' && (repeatable || outcome.reusedConnection));
}
