import type { KindFilter } from '../policy.ts';
import { protocols, type ServicePort, type ServiceSpec } from './spec.ts';

/** A service is a destination: nothing runs, but what it speaks decides how it is spoken to. */
export const filter: KindFilter = {
  kind: 'Service',
  compileService({ spec }, env) {
    // All ports speak the same, as its schema says; the wire is not trusted to keep to that.
    const { ports } = spec as ServiceSpec;
    // A service that has joined without a resource may have a port of which nobody says what it speaks.
    const [first = { protocol: 'http' }] = ports;
    const spoken = (first as Partial<ServicePort>).protocol ?? 'auto';
    if (spoken !== 'auto' && !protocols.includes(spoken))
      env.issues.add('spec.ports[0].protocol', `this sidecar does not know the protocol ${spoken}`);
    for (const [i, { port }] of ports.entries())
      if (!Number.isInteger(port) || port < 1 || port > 65535)
        env.issues.add(`spec.ports[${i}].port`, `${port} is no port`);
    return { protocol: spoken, ports: ports.map(({ port }) => port) };
  },
};
