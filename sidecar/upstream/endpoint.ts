import type { Endpoint as EndpointView } from '../../policies/policy.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { Connections } from './pool.ts';

/** One address of a service, with its live counters and connections. Lives across snapshots. */
export class Endpoint<C = unknown> implements EndpointView {
  readonly spec: EndpointSpec;
  /** Requests under way. */
  active = 0;
  /** `address:port`, for logs. */
  readonly label: string;
  readonly #http1: Connections<C>;
  readonly #http2: Connections<C>;

  /** The same connections twice, where only one protocol is spoken. */
  constructor(spec: EndpointSpec, http1: Connections<C>, http2: Connections<C>) {
    this.spec = spec;
    this.label = spec.port === 0 ? spec.address : `${spec.address}:${spec.port}`;
    this.#http1 = http1;
    this.#http2 = http2;
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

  /** Connections for an exchange that needs HTTP/2 of an endpoint that could speak either, or for one that does not. */
  pool(http2: boolean): Connections<C> {
    return http2 ? this.#http2 : this.#http1;
  }

  /** How many are open. */
  get connections(): number {
    return this.#http1.connections + (this.#http2 === this.#http1 ? 0 : this.#http2.connections);
  }

  /** Requests under way go on; what comes later gets new connections. For a change of certificate. */
  renew(): void {
    this.#http1.renew();
    this.#http2.renew();
  }

  /** Closes idle connections now and busy ones as they end. */
  close(): void {
    this.#http1.close();
    this.#http2.close();
  }

  destroy(): void {
    this.#http1.destroy();
    this.#http2.destroy();
  }
}
