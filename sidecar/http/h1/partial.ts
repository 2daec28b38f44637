import type { ErrorCode } from '../../../lib/errors.ts';
import { type Head, MAX_HEAD, MAX_METHOD, MAX_TARGET } from '../message/head.ts';
import { CR, HTAB, LF } from '../message/octets.ts';

/** What a start line may have beside its target: method and version, with spaces and CR. */
const AROUND_TARGET = MAX_METHOD + 1 + 1 + 'HTTP/1.1\r'.length;

/**
 * A head that comes in pieces. Each octet is looked at once, however small the pieces are: bad octets and sizes are
 * refused at once, and the whole head is scanned only when its end is there.
 */
export class Partial {
  #buf: Buffer = Buffer.alloc(0);
  length = 0;
  #seen = 0;
  #lines = 0;
  /** Octets of the line end that ends a head (CR LF CR LF) seen so far. */
  #run = 0;
  problem: ErrorCode = 'BAD_REQUEST';
  readonly #limits: Pick<Head, 'maxOctets' | 'maxTarget'>;

  constructor(limits: Pick<Head, 'maxOctets' | 'maxTarget'> = { maxOctets: MAX_HEAD, maxTarget: MAX_TARGET }) {
    this.#limits = limits;
  }

  get empty(): boolean {
    return this.length === 0;
  }

  get buf(): Buffer {
    return this.#buf;
  }

  /** Takes over buf[start, end). */
  append(buf: Buffer, start: number, end: number): void {
    const need = this.length + end - start;
    if (need > this.#buf.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, need, Math.min(this.#buf.length * 2, this.#limits.maxOctets)));
      this.#buf.copy(larger, 0, 0, this.length);
      this.#buf = larger;
    }
    buf.copy(this.#buf, this.length, start, end);
    this.length = need;
  }

  /** `complete`: scan it now. `invalid`: `problem` says why. `more`: nothing wrong so far. */
  look(): 'complete' | 'invalid' | 'more' {
    const buf = this.#buf;
    const { maxOctets, maxTarget } = this.#limits;
    for (; this.#seen < this.length; this.#seen++) {
      const octet = buf[this.#seen]!;
      const wantLf = this.#run === 1 || this.#run === 3;
      if (octet === LF ? !wantLf : wantLf || (octet < 32 && octet !== CR && octet !== HTAB) || octet === 127)
        return this.#refuse('BAD_REQUEST');
      if (octet === LF) {
        this.#lines++;
        if (++this.#run === 4) {
          this.#seen++;
          return 'complete';
        }
      } else this.#run = octet === CR ? (this.#run === 2 ? 3 : 1) : 0;
      if (this.#seen + 1 >= maxOctets) return this.#refuse('HEAD_TOO_LARGE');
      if (this.#lines === 0 && this.#seen > maxTarget + AROUND_TARGET) return this.#refuse('TARGET_TOO_LONG');
    }
    return 'more';
  }

  #refuse(problem: ErrorCode): 'invalid' {
    this.problem = problem;
    return 'invalid';
  }

  clear(): void {
    this.#buf = Buffer.alloc(0);
    this.length = 0;
    this.#seen = 0;
    this.#lines = 0;
    this.#run = 0;
  }
}
