import type { Random } from '../../lib/random.ts';
import type { Balancer, Endpoint, Picker } from '../policy.ts';

/**
 * Two random choices, each as likely as its weight; the one with fewer requests under way for its weight wins. Nearly as
 * good as looking at all, without the herd that follows when every caller picks the same least one.
 */
export const leastRequest = (random: Random): Balancer => ({
  build: (endpoints) => new LeastRequestPicker(endpoints, random),
});

/** Draws at most this many times for an endpoint that is not excluded; then looks at all of them. */
const maxDraws = 4;

class LeastRequestPicker implements Picker {
  readonly #endpoints: readonly Endpoint[];
  /** Sum of the weights up to each endpoint; undefined when all weigh the same. */
  readonly #sums: Float64Array | undefined;
  readonly #random: Random;

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#endpoints = endpoints.filter((endpoint) => endpoint.weight > 0);
    this.#random = random;
    const first = this.#endpoints[0];
    if (this.#endpoints.some((endpoint) => endpoint.weight !== first!.weight)) {
      let sum = 0;
      this.#sums = Float64Array.from(this.#endpoints, (endpoint) => (sum += endpoint.weight));
    }
  }

  pick(_ex: unknown, tried: readonly Endpoint[]): Endpoint | undefined {
    const endpoints = this.#endpoints;
    if (endpoints.length < 2) return endpoints[0];
    const first = this.#drawOther(undefined, tried);
    if (first === undefined) return this.#leastOf(tried);
    const second = this.#drawOther(first, tried);
    return second === undefined || load(first) <= load(second) ? first : second;
  }

  /** An endpoint that is neither `other` nor tried; undefined when chance gave none. */
  #drawOther(other: Endpoint | undefined, tried: readonly Endpoint[]): Endpoint | undefined {
    for (let draw = 0; draw < maxDraws; draw++) {
      const endpoint = this.#endpoints[this.#draw()]!;
      if (endpoint !== other && (tried.length === 0 || !tried.includes(endpoint))) return endpoint;
    }
    return undefined;
  }

  #draw(): number {
    const sums = this.#sums;
    if (sums === undefined) return this.#random.below(this.#endpoints.length);
    const point = this.#random.unit() * sums[sums.length - 1]!;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (point < sums[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The least loaded of those not tried, or of all when all were. */
  #leastOf(tried: readonly Endpoint[]): Endpoint | undefined {
    let least: Endpoint | undefined;
    let leastTried: Endpoint | undefined;
    for (const endpoint of this.#endpoints) {
      if (tried.includes(endpoint)) {
        if (leastTried === undefined || load(endpoint) < load(leastTried)) leastTried = endpoint;
      } else if (least === undefined || load(endpoint) < load(least)) least = endpoint;
    }
    return least ?? leastTried;
  }
}

const load = (endpoint: Endpoint): number => endpoint.active / endpoint.weight;
