/**
 * Encodes fields into header blocks (RFC 7541), without Huffman coding: between sidecars it costs more than the octets it
 * saves. A field goes into the dynamic table when it came before not long ago, so that what is different each time does
 * not push out what repeats. Does no I/O.
 */
import { nameOctets, OURS } from '../../message/names.ts';
import { lower } from '../../message/octets.ts';
import { FieldIndex } from './field-index.ts';
import { ENTRY } from './field-table.ts';
import { writeInteger } from './integer.ts';
import { hashName, isSecret, STATIC, staticField, staticName, staticOfId } from './static-table.ts';

/** The most that we take of what the peer offers, and what it offers before it has said so. RFC 9113 section 6.5.2. */
const MAX_TABLE = 4096;
/** Longer values stand in no table: one of them would push out all that is shared by every request. */
const MAX_VALUE = 1024;

const INDEXED = 0x80;
const INSERTED = 0x40;
const RESIZED = 0x20;
const NEVER_INDEXED = 0x10;
const NOT_INDEXED = 0;

/** Octets that a field takes beside name and value, at most. */
const PREFIX = 12;
/** Up to this length a loop over the characters is faster than a call out of JavaScript. */
const SHORT = 48;

/** Octets of room that a field may need. */
export const fieldRoom = (nameLength: number, valueLength: number): number => nameLength + valueLength + PREFIX;
/** Octets of room that `begin` may need. */
export const BEGIN_ROOM = 8;

export class HpackEncoder {
  #index: FieldIndex | undefined;
  #limit = MAX_TABLE;
  #wanted = MAX_TABLE;
  #lowest = MAX_TABLE;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, of which we use 4096 octets at most. It is in force from the next block on. */
  limitTable(octets: number): void {
    this.#wanted = Math.min(octets, MAX_TABLE);
    this.#lowest = Math.min(this.#lowest, this.#wanted);
  }

  /** Begins a block: says how large the table is now, if that is news (RFC 7541 section 4.2). Needs BEGIN_ROOM. */
  begin(dst: Buffer, at: number): number {
    if (this.#wanted === this.#limit && this.#lowest === this.#limit) return at;
    let p = at;
    if (this.#lowest < this.#wanted) p = this.#resize(dst, p, this.#lowest);
    if (this.#wanted !== this.#limit) p = this.#resize(dst, p, this.#wanted);
    this.#lowest = this.#wanted;
    return p;
  }

  #resize(dst: Buffer, at: number, octets: number): number {
    this.#limit = octets;
    this.#index?.table.setLimit(octets);
    return writeInteger(dst, at, RESIZED, 0x1f, octets);
  }

  /**
   * Writes one field to `dst` at `at`, which has `fieldRoom` there, and gives the position behind it. The name is written
   * in lower case; `id` is its known-name number, or 0. With a number, the octets of the name need not be there.
   */
  field(
    dst: Buffer,
    at: number,
    src: Buffer,
    nameStart: number,
    nameEnd: number,
    id: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    const known = id < OURS ? id : 0;
    const nameHash = known === 0 ? hashName(src, nameStart, nameEnd) : known;
    let first = 0;
    if (known !== 0) {
      first = staticOfId[known]!;
      if (first !== 0) {
        if (isSecret[first] === 1)
          return this.#literal(dst, at, NEVER_INDEXED, first, src, 0, 0, known, valueStart, valueEnd);
        const index = staticField(first, src, valueStart, valueEnd);
        if (index !== 0) {
          dst[at] = INDEXED | index;
          return at + 1;
        }
      }
    }
    const hash = hashValue(nameHash, src, valueStart, valueEnd);
    const index = this.#index ?? this.#makeIndex();
    const age = index.find(hash, known, src, nameStart, nameEnd, valueStart, valueEnd);
    if (age >= 0) return writeInteger(dst, at, INDEXED, 0x7f, STATIC + 1 + age);

    if (known === 0) {
      first = staticName(src, nameStart, nameEnd, nameHash);
      if (isSecret[first] === 1)
        return this.#literal(dst, at, NEVER_INDEXED, first, src, 0, 0, 0, valueStart, valueEnd);
    }
    let name = first;
    if (known !== 0 && first === 0) name = index.findName(known) + 1 + STATIC;
    // A known name that no table has is worth a place there, whatever its value.
    const nameless = name === STATIC;
    if (nameless) name = 0;
    const valueLength = valueEnd - valueStart;
    const nameLength = known === 0 ? nameEnd - nameStart : nameOctets(known).length;
    const fits = valueLength <= MAX_VALUE && nameLength + valueLength + ENTRY <= this.#limit;
    const inserted = fits && (index.cameBefore(hash) || nameless);
    const pattern = inserted ? INSERTED : NOT_INDEXED;
    const end = this.#literal(dst, at, pattern, name, src, nameStart, nameEnd, known, valueStart, valueEnd);
    if (inserted) this.#insert(hash, known, src, nameStart, nameEnd, dst, end - valueLength, end);
    return end;
  }

  /** A field whose name is known by number, with a value of characters up to U+00FF. Needs the same room. */
  text(dst: Buffer, at: number, id: number, value: string): number {
    // To where no octet before it will be written while it is looked at, and then moved.
    const start = at + PREFIX + nameOctets(id).length;
    const { length } = value;
    if (length > SHORT) dst.write(value, start, 'latin1');
    else for (let i = 0; i < length; i++) dst[start + i] = value.charCodeAt(i);
    return this.field(dst, at, dst, 0, 0, id, start, start + length);
  }

  /** A field that no hop may put into a table (RFC 7541 section 6.2.3), because whoever sent it said so. */
  secret(
    dst: Buffer,
    at: number,
    src: Buffer,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    return this.#literal(dst, at, NEVER_INDEXED, 0, src, nameStart, nameEnd, 0, valueStart, valueEnd);
  }

  #makeIndex(): FieldIndex {
    const index = new FieldIndex(MAX_TABLE);
    index.table.setLimit(this.#limit);
    this.#index = index;
    return index;
  }

  /** A literal (RFC 7541 section 6.2), its name by an index of a table if that is not 0. */
  #literal(
    dst: Buffer,
    at: number,
    pattern: number,
    index: number,
    src: Buffer,
    nameStart: number,
    nameEnd: number,
    known: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    let p = writeInteger(dst, at, pattern, pattern === INSERTED ? 0x3f : 0x0f, index);
    if (index === 0) {
      const length = known === 0 ? nameEnd - nameStart : nameOctets(known).length;
      p = writeInteger(dst, p, 0, 0x7f, length);
      putName(dst, p, src, nameStart, nameEnd, known);
      p += length;
    }
    p = writeInteger(dst, p, 0, 0x7f, valueEnd - valueStart);
    return putOctets(dst, p, src, valueStart, valueEnd);
  }

  #insert(
    hash: number,
    known: number,
    names: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    valueStart: number,
    valueEnd: number,
  ): void {
    const index = this.#index!;
    const nameLength = known === 0 ? nameEnd - nameStart : nameOctets(known).length;
    const at = index.add(hash, known, nameLength, valueEnd - valueStart);
    if (at < 0) return;
    const { buf } = index.table.lines;
    putName(buf, at, names, nameStart, nameEnd, known);
    putOctets(buf, at + nameLength + 2, values, valueStart, valueEnd);
  }
}

function putName(dst: Buffer, at: number, src: Buffer, start: number, end: number, known: number): void {
  if (known === 0) for (let p = start; p < end; p++) dst[at + p - start] = lower[src[p]!]!;
  else {
    const name = nameOctets(known);
    for (let i = 0; i < name.length; i++) dst[at + i] = name[i]!;
  }
}

function putOctets(dst: Buffer, at: number, src: Buffer, start: number, end: number): number {
  if (end - start > SHORT) src.copy(dst, at, start, end);
  else for (let p = start; p < end; p++) dst[at + p - start] = src[p]!;
  return at + end - start;
}

function hashValue(from: number, buf: Buffer, start: number, end: number): number {
  let hash = Math.imul(from, 0x2c1b3c6d) + end - start;
  let p = start;
  for (const fours = end - 3; p < fours; p += 4)
    hash = Math.imul(hash, 0x2c1b3c6d) + (buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16) | (buf[p + 3]! << 24));
  for (; p < end; p++) hash = Math.imul(hash, 0x2c1b3c6d) + buf[p]!;
  return hash ^ (hash >>> 15);
}
