import type { Limits } from '../../limits/limits.ts';

/** What a further piece of a block leads to. */
export type Piece = 'more' | 'whole' | 'flood';

/** A field block that comes in HEADERS and CONTINUATION frames (RFC 9113 section 4.3). Keeps it, within bounds. */
export class HeaderBlock {
  readonly #limits: Limits;
  /** Stream of the block that has begun and not ended; 0: none. */
  stream = 0;
  endStream = false;
  #buf = Buffer.alloc(0);
  length = 0;
  #pieces = 0;
  #empty = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get buf(): Buffer {
    return this.#buf;
  }

  begin(stream: number, endStream: boolean, buf: Buffer, start: number, end: number): void {
    this.stream = stream;
    this.endStream = endStream;
    this.length = 0;
    this.#pieces = 0;
    this.#empty = 0;
    this.#append(buf, start, end);
  }

  /** `flood`: more than any honest peer sends; nothing of it has been decoded. */
  add(buf: Buffer, start: number, end: number, last: boolean): Piece {
    this.#pieces++;
    if (start === end && !last) this.#empty++;
    if (this.#pieces > this.#limits.continuations || this.#empty > 1 || this.length + end - start > MAX_BLOCK)
      return 'flood';
    this.#append(buf, start, end);
    return last ? 'whole' : 'more';
  }

  #append(buf: Buffer, start: number, end: number): void {
    const need = this.length + end - start;
    if (need > this.#buf.length) {
      const larger = Buffer.allocUnsafe(Math.min(MAX_BLOCK, Math.max(1024, need * 2)));
      this.#buf.copy(larger, 0, 0, this.length);
      this.#buf = larger;
    }
    buf.copy(this.#buf, this.length, start, end);
    this.length = need;
  }

  /** The block has been decoded. */
  clear(): void {
    this.stream = 0;
    this.length = 0;
    this.#buf = Buffer.alloc(0);
  }
}

/** Octets of one block as it comes; decoded it may have Limits.headOctets, and a block is seldom larger than its fields. */
const MAX_BLOCK = 64 * 1024;
