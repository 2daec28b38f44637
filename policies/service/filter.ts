import type { KindFilter } from '../policy.ts';
import { protocols, type ServiceSpec } from './spec.ts';

/** A service is a destination: nothing runs, but what it speaks decides how it is spoken to. */
export const filter: KindFilter = {
  kind: 'Service',
  compileService({ spec }, env) {
    // All ports speak the same, as its schema says; the wire is not trusted to keep to that.
    const spoken = (spec as ServiceSpec).ports[0]?.protocol ?? 'http';
    if (!protocols.includes(spoken))
      env.issues.add('spec.ports[0].protocol', `this sidecar does not know the protocol ${spoken}`);
    return { protocol: spoken };
  },
};
