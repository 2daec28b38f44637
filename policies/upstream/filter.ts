import { parseAddress } from '../../lib/address.ts';
import type { KindFilter } from '../policy.ts';
import type { Target } from '../resource.ts';
import { serviceOf, type UpstreamResourceSpec } from './spec.ts';

export const filter: KindFilter = {
  kind: 'Upstream',
  compileUpstream({ metadata: { namespace }, spec }, env) {
    const given = spec as UpstreamResourceSpec;
    const address = parseAddress(given.listen);
    if (address === undefined) {
      env.issues.add('spec.listen', `this sidecar does not know an address like ${given.listen}`);
      return undefined;
    }
    const beside: readonly Target[] = given.for?.map((name) => ({ kind: 'Service', namespace, name })) ?? [
      { kind: 'Namespace', namespace: '', name: namespace },
    ];
    return { service: serviceOf(given, namespace), address, beside };
  },
};
