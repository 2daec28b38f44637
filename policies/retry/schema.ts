import { z } from 'zod';
import { duration, fields, inMs, saysSomething, targetRefs, whole } from '../fields.ts';
import { oneOf, show } from '../issue-text.ts';
import type { KindSchema } from '../policy.ts';
import { policyTargets } from '../targets.ts';
import { builtin, conditions, grpcConditions, type RetrySpec } from './spec.ts';

const status = z
  .int()
  .meta({ minimum: 400, maximum: 599 })
  .refine((number) => number >= 400 && number <= 599, {
    error: (issue) => `must be a status from 400 to 599, not ${issue.input}`,
  });

const condition = z.union([z.enum(conditions), status], {
  error: ({ input }) => {
    const quoted = typeof input === 'string' && /^[0-9]{3}$/.test(input);
    return oneOf(conditions, input) + (quoted ? '; write a status as a number, without quotes' : '');
  },
});

const method = z
  .string()
  .max(32)
  .refine((text) => /^[A-Z][A-Z-]*$/.test(text), {
    error: (issue) => `${show(issue.input)} is not a method such as GET; methods are in capitals`,
  });

const backoff = fields({
  base: duration('Longest wait before the first retry; doubled for each further one.', { max: 60_000 }).exactOptional(),
  max: duration('Longest wait before any retry.', { max: 300_000 }).exactOptional(),
})
  .superRefine(({ base, max }, context) => {
    if (base !== undefined && max !== undefined && base > max)
      context.addIssue({ code: 'custom', path: ['max'], message: 'must not be below base' });
  })
  .transform(inMs('base', 'max'));

const budget = fields({
  percent: z.number().min(0).max(100).describe('Retries for each hundred requests. 20 is a fifth.').exactOptional(),
  minPerSecond: whole('Retries in each second that are allowed in any case.', 0, 100_000).exactOptional(),
});

const spec: z.ZodType<RetrySpec> = fields(
  {
    targetRefs,
    retries: whole('Most attempts after the first one. 0: none.', 0, 10).exactOptional(),
    on: z
      .array(condition)
      .max(32)
      .exactOptional()
      .describe(
        'Failures that are retried. connect-failure: no connection to an endpoint. refused: the mesh knows that the service never saw the request (`always` in errors.md). reset: the connection ended before an answer. attempt-timeout: no answer within the time for one attempt. gateway-error: 502, 503, 504. 5xx: any such status. retriable-4xx: 409. A number: that status.',
      ),
    grpc: z
      .array(z.enum(grpcConditions, { error: ({ input }) => oneOf(grpcConditions, input) }))
      .max(16)
      .exactOptional()
      .describe(
        'Statuses of gRPC that are retried, when they come before any message of the response. All calls of gRPC are POST, so naming a status means that the calls may be repeated, also when the service may have seen them. `grpc-retry-pushback-ms` is honoured as `retry-after` is.',
      ),
    methods: z
      .array(method)
      .max(32)
      .exactOptional()
      .describe(
        'Methods that are retried although the service may have seen the request. A request with an `idempotency-key` field counts as one of them.',
      ),
    backoff: backoff
      .exactOptional()
      .describe(
        'Wait before a retry: a random time between nothing and the limit (full jitter). `retry-after` is honoured up to four times max; beyond that there is no retry.',
      ),
    budget: budget
      .exactOptional()
      .describe(
        'Share of the requests of the last ten seconds that may be retries, so that retries cannot bury a service that is in trouble.',
      ),
    bufferBytes: whole(
      'Largest request body in octets that is held for a retry; larger ones are sent once.',
      0,
      16 * 1024 * 1024,
    ).exactOptional(),
  },
  {
    attempts: "is not a field here; did you mean 'retries'? It counts the attempts after the first one",
    perTryTimeout: "is not a field here; use 'attempt' of a TimeoutPolicy",
    timeout: "is not a field here; use 'attempt' of a TimeoutPolicy",
    retryOn: "is not a field here; did you mean 'on'?",
  },
).superRefine(saysSomething);

export const schema: KindSchema<RetrySpec> = {
  kind: 'RetryPolicy',
  apiVersions: ['weft.dev/v1'],
  summary: 'What is tried again after a failure: only what cannot have an effect twice, unless you say more.',
  spec,
  builtin,
  attaches: policyTargets,
};
