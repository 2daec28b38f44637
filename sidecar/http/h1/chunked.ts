import type { ErrorCode } from '../../../lib/errors.ts';
import { MAX_FIELDS, MAX_HEAD } from '../message/head.ts';
import { parseChunkSize } from '../message/lengths.ts';
import { CR, hexValue, isValue, LF } from '../message/octets.ts';

/** Octets of chunk extensions that one message may have; they are checked and dropped (RFC 9112 section 7.1.1). */
const MAX_EXTENSIONS = 4096;
/** Digits of a chunk size, leading zeros included. */
const MAX_DIGITS = 16;

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const quoted = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"';
const extensions = new RegExp(`^(?:[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|${quoted}))?)*$`);
const trailer = new RegExp(`^${token}:[\\t\\x20-\\x7e\\x80-\\xff]*$`);

type State = 'size' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer' | 'trailer-lf' | 'done';

/**
 * Reads the chunked coding (RFC 9112 section 7.1) in pieces of any size. Chunk boundaries, extensions and trailers end
 * here; what comes out is content only.
 */
export class ChunkedDecoder {
  #state: State = 'size';
  /** Octets of data left in this chunk. */
  #left = 0;
  /** The size line or trailer line so far; both are short or refused. */
  #line: number[] = [];
  #extensionOctets = 0;
  #trailerOctets = 0;
  #trailers = 0;
  /** Content of the last `feed`, as one run in the buffer that was fed (moved together there if need be). */
  dataStart = 0;
  dataEnd = 0;
  /** Content octets of the message so far. */
  total = 0;
  problem: ErrorCode | undefined;

  /** A chunk that was announced may be larger than what has come: sizes beyond a limit can be refused early. */
  get announced(): number {
    return this.total + this.#left;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  reset(): void {
    this.#state = 'size';
    this.#left = 0;
    this.#line.length = 0;
    this.#extensionOctets = 0;
    this.#trailerOctets = 0;
    this.#trailers = 0;
    this.total = 0;
    this.problem = undefined;
  }

  /** Takes buf[start, end) up to the end of the message. Gives the position behind what it took, or -1 with `problem`. */
  feed(buf: Buffer, start: number, end: number): number {
    let p = start;
    this.dataStart = start;
    this.dataEnd = start;
    while (p < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        p = this.#takeData(buf, p, end);
        continue;
      }
      if (!this.#step(buf[p]!)) return -1;
      p++;
    }
    return p;
  }

  #takeData(buf: Buffer, p: number, end: number): number {
    const n = Math.min(this.#left, end - p);
    // Content of several chunks is moved together, so that a body in chunks of one octet costs one write a read.
    if (this.dataEnd === this.dataStart) {
      this.dataStart = p;
      this.dataEnd = p + n;
    } else {
      buf.copyWithin(this.dataEnd, p, p + n);
      this.dataEnd += n;
    }
    this.#left -= n;
    this.total += n;
    if (this.#left === 0) this.#state = 'data-cr';
    return p + n;
  }

  /** One octet of framing. False: refused. */
  #step(octet: number): boolean {
    switch (this.#state) {
      case 'size':
        if (octet === CR) this.#state = 'size-lf';
        // At once, not at the end of the line: behind a bare LF that may never come.
        else if (this.#line.length === 0 ? hexValue[octet] === 255 : isValue[octet] === 0)
          return this.#refuse('BAD_REQUEST');
        else this.#line.push(octet);
        return this.#line.length <= MAX_DIGITS + MAX_EXTENSIONS || this.#refuse('BAD_REQUEST');
      case 'size-lf':
        return octet === LF ? this.#endSizeLine() : this.#refuse('BAD_REQUEST');
      case 'data-cr':
        this.#state = 'data-lf';
        return octet === CR || this.#refuse('BAD_REQUEST');
      case 'data-lf':
        this.#state = 'size';
        return octet === LF || this.#refuse('BAD_REQUEST');
      case 'trailer':
        if (octet === CR) this.#state = 'trailer-lf';
        else if (isValue[octet] === 0) return this.#refuse('BAD_REQUEST');
        else {
          this.#line.push(octet);
          if (++this.#trailerOctets > MAX_HEAD) return this.#refuse('HEAD_TOO_LARGE');
        }
        return true;
      case 'trailer-lf':
        return octet === LF ? this.#endTrailerLine() : this.#refuse('BAD_REQUEST');
      default:
        return false;
    }
  }

  #takeLine(): string {
    const text = String.fromCharCode(...this.#line);
    this.#line.length = 0;
    return text;
  }

  #endSizeLine(): boolean {
    const line = Buffer.from(this.#takeLine(), 'latin1');
    let digits = 0;
    while (digits < line.length && parseChunkSize(line, digits, digits + 1) >= 0) digits++;
    const size = parseChunkSize(line, 0, digits);
    this.#extensionOctets += line.length - digits;
    if (size < 0 || this.#extensionOctets > MAX_EXTENSIONS) return this.#refuse('BAD_REQUEST');
    if (line.length > digits && !extensions.test(line.toString('latin1', digits))) return this.#refuse('BAD_REQUEST');
    this.#left = size;
    this.#state = size === 0 ? 'trailer' : 'data';
    return true;
  }

  /** Trailers are checked like fields and dropped: merged ones would be fields that no policy has seen. */
  #endTrailerLine(): boolean {
    if (this.#line.length === 0) {
      this.#state = 'done';
      return true;
    }
    this.#state = 'trailer';
    if (++this.#trailers > MAX_FIELDS) return this.#refuse('HEAD_TOO_LARGE');
    // A line can be as long as MAX_HEAD: too many arguments for one fromCharCode.
    const line = Buffer.from(this.#line).toString('latin1');
    this.#line.length = 0;
    return trailer.test(line) || this.#refuse('BAD_REQUEST');
  }

  #refuse(problem: ErrorCode): false {
    this.problem = problem;
    return false;
  }
}
