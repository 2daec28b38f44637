import type { Balancer, Endpoint, Picker } from '../policy.ts';

/**
 * Each endpoint in turn, as often as its weight says and spread out (a a b a for weights 3 and 1, not a a a b): the
 * smooth weighted rotation of nginx.
 */
export const roundRobin = (): Balancer => ({
  build: (endpoints, previous) =>
    new RoundRobinPicker(endpoints, previous instanceof RoundRobinPicker ? previous : undefined),
});

class RoundRobinPicker implements Picker {
  readonly #endpoints: readonly Endpoint[];
  /** What each endpoint has coming to it; the highest is next. Sums to 0 after every pick without exclusions. */
  readonly #credit: Float64Array;

  constructor(endpoints: readonly Endpoint[], previous: RoundRobinPicker | undefined) {
    this.#endpoints = endpoints.filter((endpoint) => endpoint.weight > 0);
    const before = new Map(previous?.entries());
    const total = this.#endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0);
    // Bounded, so that credit from other weights or from endpoints that left cannot send a burst to one endpoint.
    this.#credit = Float64Array.from(this.#endpoints, ({ id }) =>
      Math.max(-total, Math.min(total, before.get(id) ?? 0)),
    );
  }

  *entries(): Iterable<[id: string, credit: number]> {
    for (const [i, endpoint] of this.#endpoints.entries()) yield [endpoint.id, this.#credit[i]!];
  }

  pick(_ex: unknown, tried: readonly Endpoint[]): Endpoint | undefined {
    const endpoints = this.#endpoints;
    if (endpoints.length < 2) return endpoints[0];
    return this.#next(tried) ?? this.#next([]);
  }

  #next(tried: readonly Endpoint[]): Endpoint | undefined {
    const credit = this.#credit;
    let best = -1;
    let total = 0;
    for (let i = 0; i < credit.length; i++) {
      const endpoint = this.#endpoints[i]!;
      if (tried.length > 0 && tried.includes(endpoint)) continue;
      credit[i]! += endpoint.weight;
      total += endpoint.weight;
      if (best < 0 || credit[i]! > credit[best]!) best = i;
    }
    if (best < 0) return undefined;
    credit[best]! -= total;
    return this.#endpoints[best];
  }
}
