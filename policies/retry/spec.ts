import type { Targeted } from '../targets.ts';

/** What may be retried, by name. Statuses can be named by their number too. */
export const conditions = [
  'connect-failure',
  'refused',
  'reset',
  'attempt-timeout',
  'gateway-error',
  '5xx',
  'retriable-4xx',
] as const;
export type Condition = (typeof conditions)[number];

/** Statuses of gRPC that may be retried, by name: those that say nothing against the call itself. */
export const grpcConditions = [
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;
export type GrpcCondition = (typeof grpcConditions)[number];

/** A RetryPolicy once parsed; what is absent is said by a less specific policy. */
export interface RetrySpec extends Targeted {
  readonly retries?: number;
  readonly on?: readonly (Condition | number)[];
  readonly grpc?: readonly GrpcCondition[];
  readonly methods?: readonly string[];
  readonly backoff?: { readonly baseMs?: number; readonly maxMs?: number };
  readonly budget?: { readonly percent?: number; readonly minPerSecond?: number };
  readonly bufferBytes?: number;
}

export const builtin = {
  retries: 2,
  on: ['connect-failure', 'refused', 'reset'],
  grpc: [],
  // Idempotent by RFC 9110 section 9.2.2: the same request twice has the effect of one.
  methods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'],
  backoff: { baseMs: 25, maxMs: 250 },
  budget: { percent: 20, minPerSecond: 10 },
  bufferBytes: 65_536,
} as const satisfies Omit<RetrySpec, 'targetRefs'>;
