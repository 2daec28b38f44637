import { randomFillSync } from 'node:crypto';

/** Octets asked of the system at once: a call costs 2 µs, whatever its size. */
const poolBytes = 8192;
/** Octets written as hex at once. IDs are slices of this text, so each holds it in memory: small, yet for several IDs. */
const windowBytes = 384;

/** Trace and span IDs out of a pool of random octets. */
export class TraceIds {
  readonly #pool = Buffer.alloc(poolBytes);
  /** Where the window begins in the pool, and where the next ID does in the window. */
  #window = poolBytes;
  #at = windowBytes;
  #hex = '';
  /** The 24 octets of a new trace and its first span, as hex: 32 digits and 16. */
  newTrace(): string {
    const at = this.#take(24);
    return this.#hex.substring(at * 2, at * 2 + 48);
  }

  /** 16 hex digits. */
  newSpan(): string {
    const at = this.#take(8);
    return this.#hex.substring(at * 2, at * 2 + 16);
  }

  /** The last 32 bits of the trace ID that `newTrace` gave last, as a number: the chance by which traces are sampled. */
  lastChance(): number {
    return this.#pool.readUInt32LE(this.#window + this.#at - 12);
  }

  #take(octets: number): number {
    if (this.#at + octets > windowBytes) this.#advance();
    const at = this.#at;
    this.#at = at + octets;
    return at;
  }

  #advance(): void {
    this.#window += windowBytes;
    if (this.#window + windowBytes > poolBytes) {
      randomFillSync(this.#pool);
      this.#window = 0;
    }
    this.#hex = this.#pool.toString('hex', this.#window, this.#window + windowBytes);
    this.#at = 0;
  }
}
