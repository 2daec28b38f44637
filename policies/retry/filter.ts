import { type CompileEnv, DONE, type Exchange, type Filter, type KindFilter, type Outcome } from '../policy.ts';
import { RetryBudget } from './budget.ts';
import { isSafe, isWanted, wanted } from './decide.ts';
import { builtin, type RetrySpec } from './spec.ts';

export const filter: KindFilter = {
  kind: 'RetryPolicy',
  scope: 'request',
  // The callee's sidecar never retries: both of them together would multiply the attempts.
  side: 'outbound',
  builtin,
  compilePolicy: (effective, env) => compileRetry(effective as RetrySpec, env),
};

function compileRetry(spec: RetrySpec, env: CompileEnv): Filter {
  const { retries = 0, on = [], grpc = [], methods = [], bufferBytes = 0 } = spec;
  const { baseMs = builtin.backoff.baseMs, maxMs = builtin.backoff.maxMs } = spec.backoff ?? {};
  const { percent = builtin.budget.percent, minPerSecond = builtin.budget.minPerSecond } = spec.budget ?? {};
  if (retries === 0) return {};
  const failures = wanted(on, grpc);
  const repeatable = new Set(methods);
  const { clock, random } = env;
  const budget = env.keep('budget', () => new RetryBudget());

  const isIdempotent = (ex: Exchange): boolean =>
    repeatable.has(ex.method) || ex.request.get('idempotency-key') !== undefined;

  return {
    onRequest(ex) {
      ex.holdBytes = Math.max(ex.holdBytes, bufferBytes);
      budget.request(clock.now());
      return undefined;
    },

    afterAttempt(ex, outcome) {
      if (ex.attempts > retries || !ex.replayable || !isWanted(failures, outcome)) return DONE;
      if (!isSafe(failures, outcome, isIdempotent(ex))) return DONE;
      // Nothing is overloaded when an idle connection has died: the next attempt need not wait.
      let waitMs = outcome.reusedConnection
        ? 0
        : Math.floor(random.unit() * Math.min(maxMs, baseMs * 2 ** (ex.attempts - 1)));
      const asked = askedMs(outcome, clock.wall());
      if (asked !== undefined) {
        if (asked > 4 * maxMs) return DONE;
        waitMs = Math.max(waitMs, asked);
      }
      const now = clock.now();
      if (now + waitMs >= ex.deadlineMs) return DONE;
      return budget.take(now, percent, minPerSecond) ? waitMs : DONE;
    },
  };
}

/** The wait that the service asks for; undefined: it says nothing about it. Infinity: it does not want to be asked again. */
function askedMs({ response, grpcStatus }: Outcome, wall: number): number | undefined {
  // https://github.com/grpc/proposal/blob/master/A6-client-retries.md: what is not a number of ms says no.
  const pushback = grpcStatus < 0 ? undefined : response?.get('grpc-retry-pushback-ms');
  if (pushback === undefined) return retryAfterMs(response?.get('retry-after'), wall);
  return /^[0-9]{1,9}$/.test(pushback) ? Number(pushback) : Number.POSITIVE_INFINITY;
}

/** RFC 9110 section 10.2.3: seconds, or a date. undefined when the field is absent or makes no sense. */
function retryAfterMs(text: string | undefined, wall: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - wall);
}
