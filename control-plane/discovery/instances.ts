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
  readonly #leaving = new Map<string, { readonly hello: SidecarHello; readonly cancel: () => void }>();
  /** Instances that have spoken since this control plane started; undefined when that no longer matters. */
  #heard: Set<string> | undefined = new Set();

  constructor(source: SidecarSource, clock: Clock, graceMs: number) {
    this.#source = source;
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** The instance has spoken: it is an endpoint when it is ready and has an inbound port. `reason`: why it is not ready. */
  update(hello: SidecarHello, identity: Identity, ready: boolean, reason: string): void {
    const { service, instance, inbound, weight, locality, declared } = hello;
    this.#stay(service, instance);
    this.#heard?.add(keyOf(service, instance));
    const endpoint = { id: instance, ...inbound, weight, identity: formatSpiffe(identity), locality, declared };
    if (inbound.port === 0) this.#source.remove(service, instance);
    else if (!ready) this.#source.putUnready(service, endpoint, reason);
    else {
      this.#source.put(service, endpoint);
      this.#succeed(hello);
    }
  }

  /** The stream of the instance is over. `ready`: what it said last. */
  leave(hello: SidecarHello, ready: boolean): void {
    const { service, instance } = hello;
    this.#stay(service, instance);
    const gone = (): void => {
      this.#leaving.delete(keyOf(service, instance));
      this.#source.remove(service, instance);
    };
    if (ready) this.#leaving.set(keyOf(service, instance), { hello, cancel: this.#clock.after(this.#graceMs, gone) });
    else gone();
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
    for (const { cancel } of this.#leaving.values()) cancel();
    this.#leaving.clear();
  }

  /** Who listens where one that is leaving did has come in its place: a restart is not two endpoints. */
  #succeed({ service, inbound }: SidecarHello): void {
    for (const { hello } of [...this.#leaving.values()]) {
      const same = hello.service === service && hello.inbound.port === inbound.port;
      if (!same || hello.inbound.address !== inbound.address) continue;
      this.#stay(service, hello.instance);
      this.#source.remove(service, hello.instance);
    }
  }

  #stay(service: string, instance: string): void {
    this.#leaving.get(keyOf(service, instance))?.cancel();
    this.#leaving.delete(keyOf(service, instance));
  }
}
