import type { Targeted } from '../targets.ts';

export const algorithms = ['LeastRequest', 'RoundRobin'] as const;
export type Algorithm = (typeof algorithms)[number];

/** A LoadBalancerPolicy once parsed. */
export interface LoadBalancerSpec extends Targeted {
  readonly algorithm?: Algorithm;
}

export const builtin = { algorithm: 'LeastRequest' } as const;
