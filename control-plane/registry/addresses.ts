import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { mostServiceAddresses, serviceAddresses } from '../../lib/service-address.ts';
import { pause } from '../consul/pause.ts';
import type { Vault } from '../store/store.ts';

const prefix = 'service-addresses/';
/** Services that are looked up in the store at a time. */
const parallel = 16;
const backoffMs = { first: 100, most: 5000 };

export interface AddressesOptions {
  readonly vault: Vault;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * The address of every service on loopback. An entry of the vault for each address says whose it is, is made by compare and
 * set, and is never changed or deleted: so two services cannot have one address, all control planes of a store agree, and
 * whoever was told an address finds it again after any restart, also of a service that was gone meanwhile. A service has
 * the first address, in the order that follows from its name, that was free when somebody first asked for it.
 */
export class Addresses {
  readonly #options: AddressesOptions;
  readonly #known = new Map<string, string>();
  readonly #wanted = new Set<string>();
  readonly #watchers = new Set<(service: string) => void>();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: AddressesOptions) {
    this.#options = options;
  }

  /** The address of a service (`namespace/name`) that exists; '' until it is known, of which watchers are told. */
  of(service: string): string {
    const known = this.#known.get(service);
    if (known !== undefined) return known;
    this.#wanted.add(service);
    this.#running ??= this.#run();
    return '';
  }

  /** Called with each service whose address has become known. Gives the function that ends it. */
  subscribe(watcher: (service: string) => void): () => void {
    const own = (service: string): void => watcher(service);
    this.#watchers.add(own);
    return () => void this.#watchers.delete(own);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#closing;
    let failures = 0;
    while (this.#wanted.size > 0 && !signal.aborted) {
      const batch = [...this.#wanted].slice(0, parallel);
      const results = await Promise.allSettled(batch.map((service) => this.#find(service)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) {
        failures = 0;
        continue;
      }
      if (failures === 0) log.warn('addresses.unknown', { service: batch[0], reason: messageOf(failed.reason) });
      const most = Math.min(backoffMs.most, backoffMs.first * 2 ** failures);
      failures = Math.min(failures + 1, 16);
      await pause(clock, most * (0.5 + random.unit() / 2), signal);
    }
    this.#running = undefined;
  }

  async #find(service: string): Promise<void> {
    const address = await this.#allotted(service);
    this.#wanted.delete(service);
    this.#known.set(service, address);
    for (const watcher of [...this.#watchers]) watcher(service);
  }

  async #allotted(service: string): Promise<string> {
    const { vault, log } = this.#options;
    for (const address of serviceAddresses(service)) {
      const key = prefix + address;
      const before = await vault.get(key);
      if (before === undefined && (await vault.put(key, Buffer.from(service), 0))) {
        log.info('addresses.allotted', { service, address });
        return address;
      }
      // Where another control plane was first, it may have been for the same service.
      const entry = before ?? (await vault.get(key));
      if (entry !== undefined && Buffer.from(entry.value).toString() === service) return address;
    }
    throw new Error(`all ${mostServiceAddresses} addresses belong to other services`);
  }
}
