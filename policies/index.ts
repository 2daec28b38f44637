import type { KindEntry } from './policy.ts';

/** Every kind, in the order in which their filters run. A new kind is a folder and a line here. */
export const kinds: readonly KindEntry[] = [
  entry(
    'Service',
    'service',
    () => import('./service/schema.ts'),
    () => import('./service/filter.ts'),
  ),
  entry(
    'Upstream',
    'upstream',
    () => import('./upstream/schema.ts'),
    () => import('./upstream/filter.ts'),
  ),
  entry(
    'TimeoutPolicy',
    'policy',
    () => import('./timeout/schema.ts'),
    () => import('./timeout/filter.ts'),
  ),
  entry(
    'RetryPolicy',
    'policy',
    () => import('./retry/schema.ts'),
    () => import('./retry/filter.ts'),
  ),
  entry(
    'LoadBalancerPolicy',
    'policy',
    () => import('./load-balancer/schema.ts'),
    () => import('./load-balancer/filter.ts'),
  ),
  // After the policies, so that what a rule says itself (its timeouts) is said last and stands.
  entry(
    'HTTPRoute',
    'route',
    () => import('./http-route/schema.ts'),
    () => import('./http-route/filter.ts'),
  ),
];

function entry(
  kind: string,
  role: KindEntry['role'],
  schema: KindEntry['schema'],
  filter: KindEntry['filter'],
): KindEntry {
  return { kind, role, schema, filter };
}
