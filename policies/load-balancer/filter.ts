import type { Random } from '../../lib/random.ts';
import type { Balancer, KindFilter } from '../policy.ts';
import { leastRequest } from './least-request.ts';
import { roundRobin } from './round-robin.ts';
import { type Algorithm, builtin, type LoadBalancerSpec } from './spec.ts';

/** Every balancer. A new one is a file beside this, a line here and a word in spec.ts. */
const balancers: Readonly<Record<Algorithm, (random: Random) => Balancer>> = {
  LeastRequest: leastRequest,
  RoundRobin: roundRobin,
};

export const filter: KindFilter = {
  kind: 'LoadBalancerPolicy',
  scope: 'backend',
  side: 'outbound',
  builtin,
  compilePolicy(effective, env) {
    const { algorithm = builtin.algorithm } = effective as LoadBalancerSpec;
    if (!Object.hasOwn(balancers, algorithm)) {
      env.issues.add('spec.algorithm', `this sidecar does not know the algorithm ${algorithm}`);
      return {};
    }
    return { balancer: balancers[algorithm](env.random) };
  },
};
