import type { Loop } from '../../net/loop.ts';

/** Below this many a buffer of its own is made to measure. */
const SMALL = 16 * 1024;
const LEAST = 256;

/** Octets that wait to be sent, in buffers of the loop: memory of their own for each piece would be most of the cost. */
export class Backlog {
  readonly #loop: Loop;
  readonly #buffers: Buffer[] = [];
  /** Of the first buffer: where what waits begins. */
  start = 0;
  /** Of the last one: where it ends. */
  #end = 0;
  octets = 0;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  push(from: Buffer, start: number, end: number): void {
    let p = start;
    while (p < end) {
      let last = this.#buffers.at(-1);
      if (last === undefined || this.#end === last.length) {
        // A large buffer for a few octets of each of thousands of streams would be most of the memory.
        last = end - p < SMALL ? Buffer.allocUnsafe(Math.max(LEAST, end - p)) : this.#loop.takeBuffer();
        this.#buffers.push(last);
        this.#end = 0;
      }
      const n = Math.min(end - p, last.length - this.#end);
      from.copy(last, this.#end, p, p + n);
      this.#end += n;
      p += n;
    }
    this.octets += end - start;
  }

  /** The first buffer; what waits in it is [start, end). */
  get first(): Buffer {
    return this.#buffers[0]!;
  }

  get end(): number {
    return this.#buffers.length === 1 ? this.#end : this.first.length;
  }

  /** What stood before `start` of the first buffer has been sent. */
  takeTo(start: number): void {
    this.octets -= start - this.start;
    this.start = start;
    if (start === this.end) {
      this.#loop.giveBuffer(this.#buffers.shift()!);
      this.start = 0;
    }
  }

  clear(): void {
    while (this.#buffers.length > 0) this.#loop.giveBuffer(this.#buffers.pop()!);
    this.start = 0;
    this.octets = 0;
  }
}
