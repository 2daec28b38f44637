import type { ErrorCode } from '../../../lib/errors.ts';
import type { Limits } from '../../limits/limits.ts';
import type { RequestInfo } from '../message/request.ts';
import { ChunkedDecoder } from './chunked.ts';

/** Octets that are read and dropped after an early answer, so that the connection can go on. */
const MAX_DRAIN = 64 * 1024;

/** Reads the body of a request, whatever its framing. */
export class RequestBody {
  readonly #chunked = new ChunkedDecoder();
  #isChunked = false;
  /** Infinity in a tunnel. */
  #left = 0;
  #sinceMs = 0;
  #received = 0;
  /** RFC 9110 section 10.1.1: who waits for 100 Continue may never send the body. */
  #mayNotCome = false;
  dataStart = 0;
  dataEnd = 0;
  done = true;
  problem: ErrorCode | undefined;
  readonly #maxOctets: number;

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets;
  }

  begin(info: RequestInfo, nowMs: number): void {
    this.#isChunked = info.framing === 'streamed';
    if (this.#isChunked) this.#chunked.reset();
    this.#left = info.framing === 'tunnel' ? Number.POSITIVE_INFINITY : info.length;
    this.done = info.framing === 'none';
    this.problem = undefined;
    this.#sinceMs = nowMs;
    this.#received = 0;
    this.#mayNotCome = info.expectContinue;
  }

  /** The caller has been told to send it, and not before. */
  asked(nowMs: number): void {
    this.#mayNotCome = false;
    this.resumed(nowMs);
  }

  /** True when what is still to come is worth reading for the sake of the next request. */
  get drainable(): boolean {
    return this.done || !(this.#mayNotCome || this.#isChunked || this.#left > MAX_DRAIN);
  }

  /** Takes buf[start, end) up to the body's end: content is at dataStart..dataEnd. Gives the position behind it. */
  take(buf: Buffer, start: number, end: number): number {
    this.#received += end - start;
    this.#mayNotCome = false;
    if (this.#isChunked) {
      const p = this.#chunked.feed(buf, start, end);
      this.dataStart = this.#chunked.dataStart;
      this.dataEnd = this.#chunked.dataEnd;
      this.done = this.#chunked.done;
      this.problem = this.#chunked.problem;
      // What is announced and too large is refused before it comes.
      if (this.#chunked.announced > this.#maxOctets) this.problem ??= 'BODY_TOO_LARGE';
      return p;
    }
    const n = Math.min(this.#left, end - start);
    this.#left -= n;
    this.dataStart = start;
    this.dataEnd = start + n;
    this.done = this.#left === 0;
    return start + n;
  }

  /** The time in which we kept the caller waiting is not its fault. */
  resumed(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#received = 0;
  }

  tooSlow(nowMs: number, { bodyGraceMs, minBodyRate }: Limits): boolean {
    // A tunnel may rest: how long is its exchange's to say.
    if (this.#mayNotCome || this.#left === Number.POSITIVE_INFINITY) return false;
    const late = nowMs - this.#sinceMs - bodyGraceMs;
    return late > 0 && this.#received * 1000 < late * minBodyRate;
  }
}
