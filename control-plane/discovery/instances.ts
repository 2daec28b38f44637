import type { Clock } from '../../lib/clock.ts';
import { formatSpiffe, type Identity } from '../../lib/spiffe.ts';
import type { SidecarSource } from '../registry/registry.ts';
import type { SidecarHello } from './hello.ts';

const keyOf = (service: string, instance: string): string => `${service}/${instance}`;

/**
 * Which connected sidecars are endpoints. The end of a stream says little of the instance behind it (gRPC does not even
 * tell a broken connection from an end in order), so its endpoint stays for a grace period. Who leaves says that it is
 * not ready first, and is taken out at once.
 */
export class Instances {
  readonly #source: SidecarSource;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #leaving = new Map<string, () => void>();
  /** Instances that have spoken since this control plane started; undefined when that no longer matters. */
  #heard: Set<string> | undefined = new Set();

  constructor(source: SidecarSource, clock: Clock, graceMs: number) {
    this.#source = source;
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** The instance has spoken: it is an endpoint when it is ready and has an inbound port. */
  update(hello: SidecarHello, identity: Identity, ready: boolean): void {
    const { service, instance, inbound, weight, locality } = hello;
    this.#stay(service, instance);
    this.#heard?.add(keyOf(service, instance));
    if (!ready || inbound.port === 0) this.#source.remove(service, instance);
    else {
      const spiffe = formatSpiffe(identity);
      this.#source.put(service, { id: instance, ...inbound, weight, identity: spiffe, locality });
    }
  }

  /** The stream of the instance is over. */
  leave(service: string, instance: string): void {
    this.#stay(service, instance);
    const gone = (): void => {
      this.#leaving.delete(keyOf(service, instance));
      this.#source.remove(service, instance);
    };
    this.#leaving.set(keyOf(service, instance), this.#clock.after(this.#graceMs, gone));
  }

  /** True while this control plane is so young that the instance may just not have come back to it. */
  maySpeakYet(service: string, instance: string): boolean {
    return this.#heard !== undefined && !this.#heard.has(keyOf(service, instance));
  }

  /** From now on whoever is not connected is gone. */
  settle(): void {
    this.#heard = undefined;
  }

  /** Ends the timers. Endpoints stay as they are: that the control plane stops says nothing of them. */
  close(): void {
    for (const cancel of this.#leaving.values()) cancel();
    this.#leaving.clear();
  }

  #stay(service: string, instance: string): void {
    this.#leaving.get(keyOf(service, instance))?.();
    this.#leaving.delete(keyOf(service, instance));
  }
}
