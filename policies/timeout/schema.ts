import type { z } from 'zod';
import { duration, fields, inMs, saysSomething, targetRefs } from '../fields.ts';
import type { KindSchema } from '../policy.ts';
import { policyTargets } from '../targets.ts';
import { builtin, type TimeoutSpec } from './spec.ts';

const spec: z.ZodType<TimeoutSpec> = fields({
  targetRefs,
  request: duration(
    'For the whole request, from its first octet to the head of the answer, retries included. `0s`: no limit. gRPC calls bring their own time (`grpc-timeout`), to their very end; what is said here bounds them too, the default does not.',
  ).exactOptional(),
  attempt: duration('For one attempt, to the head of its answer. `0s`: no limit.').exactOptional(),
  connect: duration('To connect to an endpoint, TLS handshake included. `0s`: no limit.').exactOptional(),
  idle: duration(
    'During which nothing moves on a request or its answer before it is ended. `0s`: no limit.',
  ).exactOptional(),
})
  .superRefine(saysSomething)
  .transform(inMs('request', 'attempt', 'connect', 'idle'));

export const schema: KindSchema<TimeoutSpec> = {
  kind: 'TimeoutPolicy',
  apiVersions: ['weft.dev/v1'],
  summary: 'How long a caller waits. The timeouts of an HTTPRoute rule win over it.',
  spec,
  builtin,
  attaches: policyTargets,
};
