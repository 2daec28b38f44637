/** One cell whose value is swapped whole. Readers take `current` once and keep it, so they never see half of a change. */
export class Live<T> {
  #current: T;
  readonly #watchers = new Set<(value: T) => void>();

  constructor(initial: T) {
    this.#current = initial;
  }

  get current(): T {
    return this.#current;
  }

  set(next: T): void {
    this.#current = next;
    for (const watcher of [...this.#watchers]) watcher(next);
  }

  /** Calls `watcher` with each later value. Gives the function that ends it. */
  subscribe(watcher: (value: T) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}
