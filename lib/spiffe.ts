/** `spiffe://<trust domain>/ns/<namespace>/sa/<service>`: the form that Istio uses too. */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly service: string;
}

/** Names of namespaces and services: one DNS label (RFC 1123), so they stand in host names and SPIFFE IDs unescaped. */
const namePattern = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const trustDomainPattern = /^[a-z0-9](?:[-._a-z0-9]{0,253}[a-z0-9])?$/;

export const isName = (text: string): boolean => namePattern.test(text);
export const isTrustDomain = (text: string): boolean => trustDomainPattern.test(text);

export const formatSpiffe = (id: Identity): string => `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.service}`;

/** Who a control plane is; no workload gets this name. */
export const controlPlaneName = { namespace: 'weft', service: 'control-plane' } as const;
export const controlPlaneId = (trustDomain: string): string => formatSpiffe({ trustDomain, ...controlPlaneName });

/** Reads an ID of our form, exactly: no other case, escapes, port, query or trailing slash (SPIFFE-ID sections 2.1-2.3). */
export function parseSpiffe(uri: string): Identity | undefined {
  if (uri.length > 2048) return undefined;
  const found = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(uri);
  if (found === null) return undefined;
  const [, trustDomain, namespace, service] = found as unknown as [string, string, string, string];
  if (!isTrustDomain(trustDomain) || !isName(namespace) || !isName(service)) return undefined;
  return { trustDomain, namespace, service };
}
