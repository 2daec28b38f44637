/** How many are served in one turn of the event loop. */
const batch = 50;

/**
 * Serves whoever is due, each once however often it was added, a few in each turn of the event loop. Begins after the code
 * that runs now, so that whatever belongs to one change is known by then.
 */
export class Pump<T> {
  readonly #serve: (item: T) => void;
  readonly #due = new Set<T>();
  #scheduled = false;

  constructor(serve: (item: T) => void) {
    this.#serve = serve;
  }

  add(item: T): void {
    this.#due.add(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#run());
  }

  forget(item: T): void {
    this.#due.delete(item);
  }

  #run(): void {
    let served = 0;
    for (const item of this.#due) {
      if (served++ === batch) {
        setImmediate(() => this.#run());
        return;
      }
      this.#due.delete(item);
      this.#serve(item);
    }
    this.#scheduled = false;
  }
}
