import type { Targeted } from '../targets.ts';

/** A TimeoutPolicy once parsed. 0 means no limit; what is absent is said by a less specific policy. */
export interface TimeoutSpec extends Targeted {
  readonly requestMs?: number;
  readonly attemptMs?: number;
  readonly connectMs?: number;
  readonly idleMs?: number;
}

export const builtin = { requestMs: 15_000, attemptMs: 0, connectMs: 1000, idleMs: 300_000 } as const;
