import type { KindFilter } from '../policy.ts';
import { builtin, type TimeoutSpec } from './spec.ts';

/** A limit as the exchange has it: 0 is none. */
const limit = (ms: number | undefined): number => ms || Number.POSITIVE_INFINITY;

export const filter: KindFilter = {
  kind: 'TimeoutPolicy',
  scope: 'request',
  // The caller's side alone: a route may allow more than its service, and the inbound side does not know the route.
  side: 'outbound',
  builtin,
  compilePolicy(effective, env) {
    const spec = effective as TimeoutSpec;
    const requestMs = limit(spec.requestMs);
    const attemptMs = limit(spec.attemptMs);
    const connectMs = limit(spec.connectMs);
    const idleMs = limit(spec.idleMs);
    const { origin } = env;
    return {
      onRequest(ex) {
        ex.deadlineMs = Math.min(ex.deadlineMs, ex.startMs + requestMs);
        ex.attemptTimeoutMs = attemptMs;
        ex.connectTimeoutMs = connectMs;
        ex.idleTimeoutMs = idleMs;
        ex.timesFrom = origin;
        return undefined;
      },
    };
  },
};
