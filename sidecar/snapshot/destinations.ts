import type { Clock } from '../../lib/clock.ts';
import type { Balancer } from '../../policies/policy.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { EndpointSpec } from './inputs.ts';
import type { Destination } from './snapshot.ts';

const noBalancer: Balancer = { build: () => ({ pick: () => undefined }) };

/**
 * The endpoints of every service, across snapshots: one that stays keeps its connections and counters, one that goes
 * finishes what it carries.
 */
export class Destinations {
  readonly #byService = new Map<string, Destination>();
  readonly #makeEndpoint: (spec: EndpointSpec) => Endpoint;
  readonly #clock: Clock;
  readonly #graceMs: number;
  /** Gone from the configuration, perhaps still busy. */
  readonly #leaving = new Set<Endpoint>();

  /** `graceMs`: how long after a service was first heard of its endpoints may still come. */
  constructor(makeEndpoint: (spec: EndpointSpec) => Endpoint, clock: Clock, graceMs: number) {
    this.#makeEndpoint = makeEndpoint;
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** The destination of a service; the same object for as long as the service is known. */
  get(service: string): Destination {
    let found = this.#byService.get(service);
    if (found === undefined) {
      const graceUntilMs = this.#clock.now() + this.#graceMs;
      found = {
        service,
        endpoints: [],
        graceUntilMs,
        http2: false,
        balancer: noBalancer,
        picker: noBalancer.build([]),
      };
      this.#byService.set(service, found);
    }
    return found;
  }

  /** Puts this list of endpoints and this balancer in force. */
  update(service: string, specs: Iterable<EndpointSpec>, balancer: Balancer, http2: boolean): void {
    const destination = this.get(service);
    destination.http2 = http2;
    const before = new Map(destination.endpoints.map((endpoint) => [endpoint.id, endpoint]));
    const endpoints: Endpoint[] = [];
    for (const spec of specs) {
      const same = before.get(spec.id);
      if (same !== undefined && same.spec.version === spec.version) {
        before.delete(spec.id);
        endpoints.push(same);
      } else endpoints.push(this.#makeEndpoint(spec));
    }
    // The order must not depend on the order in which changes came, or two sidecars would rotate differently.
    endpoints.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    const previous = destination.picker;
    destination.endpoints = endpoints;
    destination.balancer = balancer;
    destination.picker = balancer.build(endpoints, previous);
    for (const gone of before.values()) this.#leave(gone);
  }

  /** Lets go of services that are no longer in the configuration. */
  keepOnly(services: ReadonlySet<string>): void {
    for (const [service, { endpoints }] of this.#byService) {
      if (services.has(service)) continue;
      this.#byService.delete(service);
      for (const endpoint of endpoints) this.#leave(endpoint);
    }
  }

  /** What is sent from now on goes over new connections. */
  renew(): void {
    for (const { endpoints } of this.#byService.values()) for (const endpoint of endpoints) endpoint.renew();
  }

  #leave(endpoint: Endpoint): void {
    endpoint.close();
    this.#leaving.add(endpoint);
    for (const one of this.#leaving) if (one.connections === 0) this.#leaving.delete(one);
  }

  close(): void {
    for (const { endpoints } of this.#byService.values()) for (const endpoint of endpoints) endpoint.destroy();
    for (const endpoint of this.#leaving) endpoint.destroy();
    this.#byService.clear();
    this.#leaving.clear();
  }
}
