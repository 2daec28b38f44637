import { SLACK, type Viewed, viewed } from '../../message/viewed.ts';
import { ROW } from './static-table.ts';

/** What an entry counts beside name and value, RFC 7541 section 4.1. */
export const ENTRY = 32;
/** A line has `: ` and CR LF beside name and value. */
export const LINE = 4;
const LEAST = 1024;

const nothing = viewed(0);
const noRows = new Uint16Array(0);

/**
 * A dynamic table (RFC 7541 section 2.3.2): the newest fields as ready lines `name: value CR LF`, one behind the other
 * in one buffer, and a ring of rows that say where. Takes no memory before the first field.
 */
export class FieldTable {
  /** The lines. A new object when it had to grow. */
  lines: Viewed = nothing;
  rows = noRows;
  /** Fields in the table. */
  count = 0;
  /** Fields that were ever added. The row of the newest is the one of `added - 1`. */
  added = 0;
  /** A power of two that is no less than the fields that there can be. */
  readonly maxCount: number;
  readonly #mask: number;
  #limit: number;
  readonly #max: number;
  #size = 0;
  /** End of the newest line. */
  #end = 0;

  /** `maxOctets` is the most that its limit will ever be, and what it is at first. */
  constructor(maxOctets: number) {
    // Rows are numbers of 16 bits.
    if (maxOctets > 32_768) throw new RangeError('a header table of more than 32768 octets is not supported');
    this.#max = maxOctets;
    this.#limit = maxOctets;
    let rows = 1;
    while (rows * ENTRY < maxOctets) rows *= 2;
    this.maxCount = rows;
    this.#mask = rows - 1;
  }

  /** Evicts what is beyond the new limit, in octets as RFC 7541 counts them. */
  setLimit(octets: number): void {
    this.#limit = octets;
    this.#evict(octets);
  }

  /** Place in `rows` of the field that was added as the `number`th, from 0. */
  rowOf(number: number): number {
    return (number & this.#mask) * ROW;
  }

  /**
   * Adds a field, evicting the oldest as needed, and gives the position in `lines` where the caller writes its line; -1
   * when it is larger than the table, which then is empty (RFC 7541 section 4.4).
   */
  add(nameLength: number, lineLength: number, bits: number): number {
    const size = lineLength - LINE + ENTRY;
    if (size > this.#limit) {
      this.#evict(0);
      return -1;
    }
    this.#evict(this.#limit - size);
    if (this.rows === noRows) this.rows = new Uint16Array(this.maxCount * ROW);
    if (this.#end + lineLength > this.lines.buf.length - SLACK) this.#makeRoom(lineLength);
    const at = this.#end;
    const row = this.rowOf(this.added++);
    const rows = this.rows;
    rows[row] = at;
    rows[row + 1] = lineLength;
    rows[row + 2] = nameLength;
    rows[row + 3] = bits;
    this.#end = at + lineLength;
    this.#size += size;
    this.count++;
    return at;
  }

  /** Drops the oldest fields until at most `octets` are left. */
  #evict(octets: number): void {
    while (this.#size > octets) {
      this.#size -= this.rows[this.rowOf(this.added - this.count) + 1]! - LINE + ENTRY;
      this.count--;
    }
    if (this.count === 0) this.#end = 0;
  }

  /** Moves the lines to the front of the buffer, of a larger one while they fill most of it. */
  #makeRoom(lineLength: number): void {
    const oldest = this.added - this.count;
    const from = this.count === 0 ? 0 : this.rows[this.rowOf(oldest)]!;
    const needed = this.#end - from + lineLength;
    const capacity = this.lines.buf.length - SLACK;
    // Lines are shorter than what they count, so a little more than the limit is always enough, and stays free for a while.
    const most = this.#max + this.#max / 8;
    if (needed > capacity * 0.75 && capacity < most) {
      const larger = viewed(Math.min(most, Math.max(LEAST, capacity * 2, needed * 2)));
      this.lines.buf.copy(larger.buf, 0, from, this.#end);
      this.lines = larger;
    } else this.lines.buf.copyWithin(0, from, this.#end);
    for (let number = oldest; number < this.added; number++) this.rows[this.rowOf(number)]! -= from;
    this.#end -= from;
  }
}
