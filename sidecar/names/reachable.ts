/** The services at whose own address somebody listens now. */
export class Reachable {
  readonly #ports = new Map<string, number>();
  readonly #watchers = new Set<(service: string, there: boolean) => void>();

  has(service: string): boolean {
    return this.#ports.has(service);
  }

  list(): Iterable<string> {
    return this.#ports.keys();
  }

  /** A port of the service is listened at from now on, or no longer. */
  change(service: string, there: boolean): void {
    const before = this.#ports.get(service) ?? 0;
    const after = before + (there ? 1 : -1);
    if (after > 0) this.#ports.set(service, after);
    else this.#ports.delete(service);
    if (before > 0 !== after > 0) for (const watcher of [...this.#watchers]) watcher(service, there);
  }

  /** Called with a service that has become reachable, or is no longer. */
  subscribe(watcher: (service: string, there: boolean) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}
