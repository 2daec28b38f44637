import type { Clock } from '../../lib/clock.ts';
import { Refusal } from './refusal.ts';

/** What one control plane takes on. */
export interface DiscoveryLimits {
  /** Streams at once. */
  readonly sidecars: number;
  /** Streams at once of one identity: instances of one service. */
  readonly streamsPerIdentity: number;
  /** New streams a second, and how many may come at once. */
  readonly connectsPerSecond: number;
  readonly connectBurst: number;
  /** Messages a second on one stream, and how many may come at once. */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
}

export const defaultLimits: DiscoveryLimits = {
  sidecars: 10_000,
  streamsPerIdentity: 1000,
  connectsPerSecond: 100,
  connectBurst: 200,
  messagesPerSecond: 50,
  messageBurst: 1000,
};

/** Takes tokens that come back with time. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#at = clock.now();
  }

  take(): boolean {
    const now = this.#clock.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / 1000);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** Lets streams in. After a restart all sidecars come at once: those over the rate are told to come back. */
export class Admission {
  readonly #limits: DiscoveryLimits;
  readonly #connects: TokenBucket;
  readonly #streams = new Map<string, number>();
  #total = 0;

  constructor(limits: DiscoveryLimits, clock: Clock) {
    this.#limits = limits;
    this.#connects = new TokenBucket(limits.connectsPerSecond, limits.connectBurst, clock);
  }

  /** Counts a stream of this service in. Throws a Refusal with RESOURCE_EXHAUSTED when there is no room for it. */
  enter(service: string): void {
    const streams = this.#streams.get(service) ?? 0;
    if (streams >= this.#limits.streamsPerIdentity) {
      throw new Refusal('RESOURCE_EXHAUSTED', `service ${service} has ${streams} streams; the limit is as many`);
    }
    if (this.#total >= this.#limits.sidecars) {
      throw new Refusal(
        'RESOURCE_EXHAUSTED',
        `this control plane serves ${this.#total} sidecars; the limit is as many`,
      );
    }
    if (!this.#connects.take()) throw new Refusal('RESOURCE_EXHAUSTED', 'too many sidecars connect at once: try again');
    this.#streams.set(service, streams + 1);
    this.#total++;
  }

  leave(service: string): void {
    const streams = this.#streams.get(service) ?? 0;
    if (streams > 1) this.#streams.set(service, streams - 1);
    else this.#streams.delete(service);
    this.#total--;
  }
}
