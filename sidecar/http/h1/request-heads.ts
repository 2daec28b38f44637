import type { ErrorCode } from '../../../lib/errors.ts';
import { type Head, INCOMPLETE, INVALID } from '../message/head.ts';
import { CR, LF } from '../message/octets.ts';
import { Partial } from './partial.ts';
import { scanRequest } from './scan.ts';

/** What a connection may keep for its next head while it rests. */
const KEPT_OCTETS = 4096;

/** Finds the head of each request in what comes on a connection, at once or octet by octet, and keeps it. */
export class RequestHeads {
  problem: ErrorCode = 'BAD_REQUEST';
  problemText = '';
  /** A head that came in pieces, and is complete now: all of it, to be read from its start. */
  whole: Buffer | undefined;
  readonly #head: Head;
  readonly #partial: Partial;
  /** The last head that was found: the read buffer is for the next read, and the head is needed until the exchange is over. */
  #kept = Buffer.alloc(0);
  /** Octets that came behind the present request. */
  waiting: Buffer | undefined;
  /** Octets of the empty line before a request that have come. */
  #leading = 0;

  constructor(head: Head) {
    this.#head = head;
    this.#partial = new Partial(head);
  }

  /** True while nothing of a next head is kept. */
  get empty(): boolean {
    return this.#partial.empty;
  }

  /** Scans buf[start, end). Gives the position behind the head, INVALID, or INCOMPLETE: then all of it has been kept. */
  find(buf: Buffer, start: number, end: number): number {
    this.whole = undefined;
    if (!this.#partial.empty) return this.#keep(buf, start, end);
    let p = start;
    // RFC 9112 section 2.2: an empty line before the request is let pass, one.
    while (this.#leading < 2 && p < end && buf[p] === (this.#leading === 0 ? CR : LF)) {
      this.#leading++;
      p++;
    }
    if (p === end) return INCOMPLETE;
    if (this.#leading === 1) return this.#invalid('BAD_REQUEST', 'CR without LF');
    const behind = scanRequest(this.#head, buf, p, end);
    if (behind === INVALID) return this.#invalid(this.#head.problem, this.#head.problemText);
    if (behind === INCOMPLETE) return this.#keep(buf, p, end);
    this.#leading = 0;
    const length = behind - p;
    if (this.#kept.length < length) this.#kept = Buffer.allocUnsafe(Math.max(1024, length));
    buf.copy(this.#kept, 0, p, behind);
    this.#head.moveTo(this.#kept, p);
    return behind;
  }

  /** Lets go of what most heads do not need: a connection may rest for long. */
  rest(): void {
    if (this.#kept.length <= KEPT_OCTETS) return;
    this.#kept = Buffer.alloc(0);
    this.#head.buf = this.#kept;
  }

  /** Keeps octets until their turn. No more is read meanwhile; TLS may still deliver the rest of a read, which is bounded. */
  putOff(buf: Buffer, start: number, end: number): void {
    const more = buf.subarray(start, end);
    this.waiting = this.waiting === undefined ? Buffer.from(more) : Buffer.concat([this.waiting, more]);
  }

  #keep(buf: Buffer, start: number, end: number): number {
    this.#partial.append(buf, start, end);
    const look = this.#partial.look();
    if (look === 'invalid')
      return this.#invalid(this.#partial.problem, 'the head is too large or has a forbidden octet');
    if (look === 'complete') {
      this.whole = this.#partial.buf.subarray(0, this.#partial.length);
      this.#partial.clear();
    }
    return INCOMPLETE;
  }

  #invalid(problem: ErrorCode, text: string): number {
    this.problem = problem;
    this.problemText = text;
    return INVALID;
  }
}
