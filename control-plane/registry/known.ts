import { canonicalJson, contentHash } from '../../lib/canonical.ts';
import type { Found, RegistryEndpoint } from './registry.ts';

const none: readonly RegistryEndpoint[] = [];

/** What one source knows. Watchers hear of a service only when its endpoints are really different. */
export class Known {
  readonly #source: string;
  readonly #services = new Map<string, readonly RegistryEndpoint[]>();
  readonly #watchers = new Set<(service: string) => void>();

  constructor(source: string) {
    this.#source = source;
  }

  endpoints(service: string): readonly RegistryEndpoint[] {
    return this.#services.get(service) ?? none;
  }

  services(): readonly string[] {
    return [...this.#services.keys()];
  }

  subscribe(watcher: (service: string) => void): () => void {
    const own = (service: string): void => watcher(service);
    this.#watchers.add(own);
    return () => void this.#watchers.delete(own);
  }

  /** Puts these in the place of all endpoints that the service had. */
  replace(service: string, found: readonly Found[]): void {
    this.#set(
      service,
      found.map((each) => this.#versioned(each)),
    );
  }

  put(service: string, found: Found): void {
    const others = this.endpoints(service).filter(({ id }) => id !== found.id);
    this.#set(service, [...others, this.#versioned(found)]);
  }

  remove(service: string, id: string): void {
    this.#set(
      service,
      this.endpoints(service).filter((each) => each.id !== id),
    );
  }

  #set(service: string, next: readonly RegistryEndpoint[]): void {
    const sorted = next.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const before = this.endpoints(service);
    if (sorted.length === before.length && sorted.every((each, n) => each.version === before[n]!.version)) return;
    if (sorted.length === 0) this.#services.delete(service);
    else this.#services.set(service, sorted);
    for (const watcher of [...this.#watchers]) watcher(service);
  }

  #versioned({ id, address, port, weight, identity, locality, declared }: Found): RegistryEndpoint {
    const endpoint = { id, address, port, weight, identity, locality, ...(declared === undefined ? {} : { declared }) };
    return { ...endpoint, source: this.#source, version: contentHash(canonicalJson(endpoint)) };
  }
}
