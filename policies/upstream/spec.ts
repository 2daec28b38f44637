/** An Upstream once parsed: a local address beside some services that leads to another one. */
export interface UpstreamResourceSpec {
  /** `namespace/name`, or a name in the namespace of the resource. */
  readonly service: string;
  /** As `parseAddress` of lib/address.ts reads it. */
  readonly listen: string;
  /** Services of the namespace of the resource that have the address; absent: all of them. */
  readonly for?: readonly string[];
}

/** The service as a key of maps, `namespace/name`. */
export const serviceOf = ({ service }: UpstreamResourceSpec, namespace: string): string =>
  service.includes('/') ? service : `${namespace}/${service}`;
