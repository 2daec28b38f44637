import type { z } from 'zod';
import { choice, fields, saysSomething, targetRefs } from '../fields.ts';
import type { KindSchema } from '../policy.ts';
import { policyTargets } from '../targets.ts';
import { algorithms, builtin, type LoadBalancerSpec } from './spec.ts';

const spec: z.ZodType<LoadBalancerSpec> = fields({
  targetRefs,
  algorithm: choice(
    algorithms,
    'LeastRequest: of two endpoints chosen at random by weight, the one with fewer requests under way for its weight. RoundRobin: each in turn, as often as its weight says.',
  ).exactOptional(),
}).superRefine(saysSomething);

export const schema: KindSchema<LoadBalancerSpec> = {
  kind: 'LoadBalancerPolicy',
  apiVersions: ['weft.dev/v1'],
  summary: 'How the endpoint of a service is chosen for each attempt.',
  spec,
  builtin,
  attaches: policyTargets,
};
