import type { Stream } from './stream.ts';

const LEAST = 16;
const MOST = 4096;

/**
 * The open streams of a connection by their numbers. Numbers only grow and most streams are short, so a slot by the low
 * bits is nearly always free; what meets an older stream there stands in a map. (A map alone is built anew all the time
 * as streams come and go.)
 */
export class StreamTable {
  #slots: (Stream | undefined)[] = new Array(LEAST).fill(undefined);
  #mask = LEAST - 1;
  readonly #others = new Map<number, Stream>();
  size = 0;

  get(id: number): Stream | undefined {
    const stream = this.#slots[(id >>> 1) & this.#mask];
    if (stream !== undefined && stream.id === id) return stream;
    return this.#others.size === 0 ? undefined : this.#others.get(id);
  }

  add(stream: Stream): void {
    if (this.size * 2 > this.#mask && this.#mask + 1 < MOST) this.#grow();
    this.size++;
    this.#put(stream);
  }

  #put(stream: Stream): void {
    const slot = (stream.id >>> 1) & this.#mask;
    if (this.#slots[slot] === undefined) this.#slots[slot] = stream;
    else this.#others.set(stream.id, stream);
  }

  #grow(): void {
    const all = this.all();
    this.#mask = this.#mask * 2 + 1;
    this.#slots = new Array(this.#mask + 1).fill(undefined);
    this.#others.clear();
    for (const stream of all) this.#put(stream);
  }

  /** False when it is not here. */
  delete(stream: Stream): boolean {
    const slot = (stream.id >>> 1) & this.#mask;
    if (this.#slots[slot] === stream) this.#slots[slot] = undefined;
    else if (this.#others.get(stream.id) === stream) this.#others.delete(stream.id);
    else return false;
    this.size--;
    return true;
  }

  /** All of them as they are now: a walk over them may open and close others. */
  all(): readonly Stream[] {
    if (this.size === 0) return none;
    return [...this.#slots.filter((stream) => stream !== undefined), ...this.#others.values()];
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#others.clear();
    this.size = 0;
  }
}

const none: readonly Stream[] = [];
