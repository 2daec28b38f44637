import type { Endpoint as EndpointView } from '../../policies/policy.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { Connections, Pooled } from './pool.ts';

/** One address of a service, with its live counters and connections. Lives across snapshots. */
export class Endpoint<C extends Pooled = Pooled> implements EndpointView {
  readonly spec: EndpointSpec;
  /** Requests under way. */
  active = 0;
  readonly pool: Connections<C>;
  /** `address:port`, for logs. */
  readonly label: string;

  constructor(spec: EndpointSpec, pool: Connections<C>) {
    this.spec = spec;
    this.label = spec.port === 0 ? spec.address : `${spec.address}:${spec.port}`;
    this.pool = pool;
  }

  get id(): string {
    return this.spec.id;
  }
  get weight(): number {
    return this.spec.weight;
  }
  get locality(): string {
    return this.spec.locality;
  }
}
