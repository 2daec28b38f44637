import { type Head, INCOMPLETE, INVALID } from '../message/head.ts';
import { Partial } from './partial.ts';
import { scanResponse } from './scan.ts';

/** Finds the heads of responses in what comes on a connection, at once or octet by octet. */
export class ResponseHeads {
  problemText = '';
  /** A head that came in pieces, and is complete now: all of it, to be read from its start. */
  whole: Buffer | undefined;
  readonly #head: Head;
  readonly #partial = new Partial();

  constructor(head: Head) {
    this.#head = head;
  }

  /** Scans buf[start, end). Gives the position behind the head, INVALID, or INCOMPLETE: then all of it has been kept. */
  find(buf: Buffer, start: number, end: number): number {
    this.whole = undefined;
    if (!this.#partial.empty) return this.#keep(buf, start, end);
    const behind = scanResponse(this.#head, buf, start, end);
    if (behind === INCOMPLETE) return this.#keep(buf, start, end);
    if (behind === INVALID) this.problemText = this.#head.problemText;
    return behind;
  }

  #keep(buf: Buffer, start: number, end: number): number {
    const partial = this.#partial;
    partial.append(buf, start, end);
    const look = partial.look();
    if (look === 'invalid') {
      this.problemText = 'a response head that is too large or has a forbidden octet';
      return INVALID;
    }
    if (look === 'complete') {
      this.whole = partial.buf.subarray(0, partial.length);
      partial.clear();
    }
    return INCOMPLETE;
  }
}
