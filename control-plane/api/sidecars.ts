import { formatAddress } from '../../lib/address.ts';
import { formatSpiffe } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { ApiParts } from './parts.ts';
import type { SidecarAt } from './passthrough.ts';

/** A sidecar whose pages can be asked for. */
export interface KnownSidecar extends SidecarAt {
  readonly namespace: string;
  readonly service: string;
  readonly instance: string;
  /** False: it was connected lately, and may still be there. */
  readonly present: boolean;
}

/**
 * Every sidecar that is known here, by `namespace/service/instance`: those connected to this control plane, and the ready
 * ones of the other control planes on the same Consul. Each is reached alike, so it does not matter which one is asked.
 */
export function knownSidecars({
  proxies,
  registry,
  trustDomain,
}: Pick<ApiParts, 'proxies' | 'registry' | 'trustDomain'>): ReadonlyMap<string, KnownSidecar> {
  const known = new Map<string, KnownSidecar>();
  const put = (namespace: string, service: string, instance: string, inbound: string, present: boolean): void => {
    const spiffeId = formatSpiffe({ trustDomain, namespace, service });
    known.set(sidecarKey(namespace, service, instance), {
      namespace,
      service,
      instance,
      inbound,
      spiffeId,
      present,
    });
  };
  const putProxies = (now: boolean): void => {
    for (const { namespace, service, instance, inbound, connected } of proxies.list())
      if (connected === now) put(namespace, service, instance, inbound, now);
  };
  // What is more certain comes later, and takes the place of the rest.
  putProxies(false);
  for (const key of registry.services()) {
    const [namespace = '', service = ''] = key.split('/');
    for (const { id, address, port, identity } of registry.endpoints(key))
      if (identity !== '') put(namespace, service, id, formatAddress({ host: address, port }), true);
  }
  putProxies(true);
  return known;
}

export const sidecarKey = (namespace: string, service: string, instance: string): string =>
  `${serviceKey(namespace, service)}/${instance}`;
