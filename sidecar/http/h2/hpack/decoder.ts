/**
 * Decodes header blocks (RFC 7541) into heads, and judges names and values as RFC 9113 section 8.2.1 wants it: one bad
 * octet refuses the whole message, nothing is mended. What the known fields mean is judged elsewhere. Does no I/O.
 */
import { Head } from '../../message/head.ts';
import { hashStep, identify, nameId } from '../../message/names.ts';
import { COLON, CR, HTAB, isToken, isValue, LF, lower, SP } from '../../message/octets.ts';
import { copyOctets, type Viewed, viewOf } from '../../message/viewed.ts';
import { FieldTable, LINE } from './field-table.ts';
import { decodeHuffman } from './huffman.ts';
import { integerAt, integerEnd } from './integer.ts';
import { ID, LINE_VALID, NAME_VALID, ROW, STATIC, staticLines, staticRows } from './static-table.ts';

/** The head is complete. */
export const DECODED = 0;
/** The block may not be a message: an error of its stream. The table is still in step. */
export const MALFORMED = -1;
/** More fields or octets than the head takes: an error of its stream. The table is still in step. */
export const TOO_LARGE = -2;
/** The block cannot be decoded: an error of the connection, COMPRESSION_ERROR. The decoder must not be used again. */
export const COMPRESSION = -3;

/** What RFC 9113 section 6.5.2 counts for a field beside name and value, less what its line has. */
const FIELD_OVERHEAD = 28;

/** Octets of names: tchar without upper-case letters, RFC 9113 section 8.2.1. */
const isName = Uint8Array.from(isToken, (token, octet) => (lower[octet] === octet ? token : 0));
const FIRST_PSEUDO = nameId[':method'];
const LAST_PSEUDO = nameId[':protocol'];

/** Stands for the head while no block is decoded. */
const idle = new Head();

export class HpackDecoder {
  readonly #table: FieldTable;
  readonly #maxTable: number;
  #head = idle;
  #result = DECODED;
  /** Octets decoded, as RFC 9113 section 6.5.2 counts them. */
  #octets = 0;
  /** How far the head's own octets may reach. */
  #most = 0;
  // What #string says beside a position: where the text is, and its length.
  #source: Buffer = idle.buf;
  #from = 0;
  #length = 0;

  /** `maxTableOctets` is the SETTINGS_HEADER_TABLE_SIZE that we send, known to the peer before its first block. */
  constructor(maxTableOctets = 4096) {
    this.#table = new FieldTable(maxTableOctets);
    this.#maxTable = maxTableOctets;
  }

  /**
   * Decodes the whole header block buf[start, end) into `head`: every field, those with a colon before their name too,
   * as a line in octets of the head's own. Gives DECODED, MALFORMED, TOO_LARGE or COMPRESSION; `head.problemText` says
   * what is wrong.
   */
  decode(buf: Buffer, start: number, end: number, head: Head): number {
    head.begin();
    this.#head = head;
    this.#result = DECODED;
    this.#octets = 0;
    const result = this.#block(buf, start, end);
    // A connection that is idle holds no octets of others.
    this.#head = idle;
    this.#source = idle.buf;
    return result;
  }

  #block(buf: Buffer, start: number, end: number): number {
    const table = this.#table;
    let p = start;
    // RFC 7541 section 4.2: changes of the table's size stand at the beginning of a block.
    while (p < end && (buf[p]! & 0xe0) === 0x20) {
      p = this.#resize(buf, p, end);
      if (p < 0) return COMPRESSION;
    }
    while (p < end) {
      const first = buf[p]!;
      if (first < 0x80) {
        p = this.#literal(buf, p, end, first);
        if (p < 0) return COMPRESSION;
        continue;
      }
      let index = first & 0x7f;
      if (index === 0x7f) {
        const behind = integerEnd(buf, p, end);
        if (behind < 0) return this.#broken('an index does not end');
        index = integerAt(buf, p, behind, 0x7f);
        p = behind;
      } else p++;
      if (index > STATIC) {
        const age = index - STATIC;
        if (age > table.count) return this.#broken('an index is beyond the tables');
        this.#indexed(table.lines, table.rows, table.rowOf(table.added - age));
      } else {
        if (index === 0) return this.#broken('index 0');
        this.#indexed(staticLines, staticRows, index * ROW);
      }
    }
    return this.#result;
  }

  /** A field that stands in a table, RFC 7541 section 6.1. */
  #indexed(lines: Viewed, rows: Uint16Array, row: number): void {
    const lineLength = rows[row + 1]!;
    const bits = rows[row + 3]!;
    if (!this.#admit(lineLength, (bits & LINE_VALID) !== 0)) return;
    const head = this.#head;
    head.reserve(head.fieldsEnd + lineLength);
    copyOctets(head.own, head.fieldsEnd, lines, rows[row]!, lineLength);
    head.append(rows[row + 2]!, lineLength, bits & ID, 0);
  }

  /** Counts a field and judges it. False when it does not go into the head. */
  #admit(lineLength: number, valid: boolean): boolean {
    this.#octets += lineLength + FIELD_OVERHEAD;
    if (this.#result !== DECODED) return false;
    const head = this.#head;
    if (this.#octets > head.maxOctets || head.count === head.maxFields) {
      this.#result = TOO_LARGE;
      const most = this.#octets > head.maxOctets ? `${head.maxOctets} octets` : `${head.maxFields} fields`;
      head.fail('HEAD_TOO_LARGE', `the head has more than ${most}`);
    } else if (!valid) {
      this.#result = MALFORMED;
      head.fail('BAD_REQUEST', 'the name or the value of a field has octets that are not allowed');
    } else return true;
    return false;
  }

  /** A field that says its value, and often its name, RFC 7541 section 6.2. Gives the position behind it, or COMPRESSION. */
  #literal(buf: Buffer, p: number, end: number, first: number): number {
    const inserted = first >= 0x40;
    const mask = inserted ? 0x3f : 0x0f;
    if ((first & 0xe0) === 0x20) return this.#broken('a change of the table size behind a field');
    let index = first & mask;
    let at = p + 1;
    if (index === mask) {
      at = integerEnd(buf, p, end);
      if (at < 0) return this.#broken('an index does not end');
      index = integerAt(buf, p, at, mask);
    }
    const head = this.#head;
    const start = head.fieldsEnd;
    // What does not fit the head may still belong into the table.
    const left = this.#result === DECODED ? head.maxOctets - this.#octets : 0;
    this.#most = start + Math.max(left, this.#maxTable);
    let nameLength = 0;
    let bits = 0;
    if (index === 0) {
      at = this.#string(buf, at, end, start);
      if (at < 0) return COMPRESSION;
      nameLength = this.#length;
      if (start + nameLength + LINE <= this.#most) bits = this.#name(start, nameLength);
    } else {
      const table = this.#table;
      const age = index - STATIC;
      if (age > table.count) return this.#broken('an index is beyond the tables');
      const lines = age > 0 ? table.lines : staticLines;
      const rows = age > 0 ? table.rows : staticRows;
      const row = age > 0 ? table.rowOf(table.added - age) : index * ROW;
      nameLength = rows[row + 2]!;
      bits = rows[row + 3]! & ~LINE_VALID;
      head.reserve(start + nameLength + LINE);
      copyOctets(head.own, start, lines, rows[row]!, nameLength);
    }
    const valueStart = start + nameLength + 2;
    at = this.#string(buf, at, end, valueStart);
    if (at < 0) return COMPRESSION;
    const lineLength = nameLength + this.#length + LINE;
    // What does not fit here fits neither the head nor the table.
    if (start + lineLength <= this.#most && this.#value(valueStart, this.#length) && (bits & NAME_VALID) !== 0)
      bits |= LINE_VALID;
    if (inserted) {
      const place = this.#table.add(nameLength, lineLength, bits);
      if (place >= 0) copyOctets(this.#table.lines, place, head.own, start, lineLength);
    }
    if (this.#admit(lineLength, (bits & LINE_VALID) !== 0))
      head.append(nameLength, lineLength, bits & ID, first >>> 4 === 1 ? 1 : 0);
    return at;
  }

  /**
   * Finds a text (RFC 7541 section 5.2) that is to stand at `to` in the head's octets, and decodes it to there when it is
   * coded. Gives the position behind it, or COMPRESSION. `#source`, `#from` and `#length` say where it is.
   */
  #string(buf: Buffer, p: number, end: number, to: number): number {
    if (p >= end) return this.#broken('a field ends too early');
    const first = buf[p]!;
    let length = first & 0x7f;
    let from = p + 1;
    if (length === 0x7f) {
      from = integerEnd(buf, p, end);
      if (from < 0) return this.#broken('a length does not end');
      length = integerAt(buf, p, from, 0x7f);
    }
    if (length > end - from) return this.#broken('a text is longer than its block');
    const behind = from + length;
    const head = this.#head;
    // The shortest code has five bits.
    const longest = first < 0x80 ? length : Math.floor((length * 8) / 5);
    const limit = Math.min(to + longest, this.#most);
    head.reserve(limit + LINE);
    this.#source = buf;
    this.#from = from;
    this.#length = length;
    if (first >= 0x80) {
      this.#source = head.own.buf;
      this.#from = to;
      this.#length = decodeHuffman(buf, from, behind, head.own.buf, to, limit);
      if (this.#length < 0) return this.#broken('a text is not in the Huffman code');
    }
    return behind;
  }

  /** Copies the name that was found to `to` and gives its bits for a table. */
  #name(to: number, length: number): number {
    const source = this.#source;
    const own = this.#head.own.buf;
    const from = this.#from;
    let good = 1;
    let hash = 0;
    for (let i = 0; i < length; i++) {
      const octet = source[from + i]!;
      own[to + i] = octet;
      hash = hashStep(hash, octet === 0x5f ? 0x2d : octet);
      good &= isName[octet]!;
    }
    if (length === 0) return 0;
    const id = identify(own, to, to + length, hash);
    // RFC 9113 section 8.3: names that begin with a colon are those that are defined, and no others.
    if (own[to] === COLON) return id >= FIRST_PSEUDO && id <= LAST_PSEUDO ? id | NAME_VALID : 0;
    return good === 1 ? id | NAME_VALID : 0;
  }

  /** Copies the value that was found to `to`, makes a line of it, and says whether it may be sent on. */
  #value(to: number, length: number): boolean {
    const source = this.#source;
    const { buf: own, view } = this.#head.own;
    const from = this.#from;
    let good = 1;
    let i = 0;
    if (length > 15) {
      const given = source === own ? view : viewOf(source);
      for (const fours = length - 3; i < fours; i += 4) {
        const four = given.getInt32(from + i, true);
        view.setInt32(to + i, four, true);
        // The highest bit of an octet is set if that is above 0x7f, is 0x7f, or is below 0x20. Some of those are fine.
        if (((four | (four + 0x01010101) | (four - 0x20202020)) & 0x80808080) === 0) continue;
        for (let k = i; k < i + 4; k++) good &= isValue[own[to + k]!]!;
      }
    }
    for (; i < length; i++) {
      const octet = source[from + i]!;
      own[to + i] = octet;
      good &= isValue[octet]!;
    }
    own[to - 2] = COLON;
    own[to - 1] = SP;
    own[to + length] = CR;
    own[to + length + 1] = LF;
    const first = own[to];
    const last = own[to + length - 1];
    // RFC 9113 section 8.2.1: no white space around a value. An empty one stands between SP and CR.
    return good === 1 && (length === 0 || (first !== SP && first !== HTAB && last !== SP && last !== HTAB));
  }

  /** A new size of the table, RFC 7541 section 6.3. */
  #resize(buf: Buffer, p: number, end: number): number {
    let octets = buf[p]! & 0x1f;
    let behind = p + 1;
    if (octets === 0x1f) {
      behind = integerEnd(buf, p, end);
      if (behind < 0) return this.#broken('a table size does not end');
      octets = integerAt(buf, p, behind, 0x1f);
    }
    if (octets > this.#maxTable) return this.#broken(`a table size of ${octets}, where ${this.#maxTable} is the most`);
    this.#table.setLimit(octets);
    return behind;
  }

  #broken(text: string): number {
    this.#head.fail('BAD_REQUEST', text);
    return COMPRESSION;
  }
}
