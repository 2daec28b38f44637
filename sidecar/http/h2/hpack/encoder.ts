/**
 * Encodes fields into header blocks (RFC 7541), without Huffman coding: between sidecars it costs more than the octets it
 * saves. A field goes into the dynamic table when it came before not long ago, so that what is different each time does
 * not push out what repeats. Does no I/O.
 */
import { type KnownName, nameId, nameOctets, OURS } from '../../message/names.ts';
import { lower } from '../../message/octets.ts';
import { type Viewed, viewed } from '../../message/viewed.ts';
import { FieldIndex } from './field-index.ts';
import { ENTRY } from './field-table.ts';
import { hashName, hashText, hashValue } from './hash.ts';
import { writeInteger } from './integer.ts';
import { isSecret, STATIC, staticField, staticName, staticOfId, staticText } from './static-table.ts';

/** The most that we take of what the peer offers, and what it offers before it has said so. RFC 9113 section 6.5.2. */
const MAX_TABLE = 4096;
/** Longer values stand in no table: one of them would push out all that is shared by every request. */
const MAX_VALUE = 1024;

const INDEXED = 0x80;
const INSERTED = 0x40;
const RESIZED = 0x20;
const NEVER_INDEXED = 0x10;
const NOT_INDEXED = 0;

/** Up to this length a loop is faster than a call out of JavaScript. */
const SHORT = 48;

/** Octets of room that a field may need. */
export const fieldRoom = (nameLength: number, valueLength: number): number => nameLength + valueLength + 12;
/** Octets of room that `begin` may need. */
export const BEGIN_ROOM = 8;

/** By known name: the value is another one in every request, so there is no use in looking for it. */
const isVolatile = new Uint8Array(OURS);
for (const name of [
  ...(['traceparent', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-request-id'] as const),
  'sec-websocket-key',
  'sec-websocket-accept',
] satisfies KnownName[])
  isVolatile[nameId[name]] = 1;

const idOfName = new Map<string, number>(Object.entries(nameId));

export class HpackEncoder {
  #index: FieldIndex | undefined;
  #limit = MAX_TABLE;
  #wanted = MAX_TABLE;
  #lowest = MAX_TABLE;
  /** The field that is being written goes into the table. */
  #inserts = false;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, of which we use 4096 octets at most. It is in force from the next block on. */
  limitTable(octets: number): void {
    this.#wanted = Math.min(octets, MAX_TABLE);
    this.#lowest = Math.min(this.#lowest, this.#wanted);
  }

  /** Begins a block: says how large the table is now, if that is news (RFC 7541 section 4.2). Needs BEGIN_ROOM. */
  begin(dst: Buffer, at: number): number {
    if (this.#wanted === this.#limit && this.#lowest >= this.#limit) return at;
    let p = at;
    if (this.#lowest < this.#limit && this.#lowest < this.#wanted) p = this.#resize(dst, p, this.#lowest);
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
   * Writes one field of `src`, a head for example, to `dst` at `at`, which has `fieldRoom` there, and gives the position
   * behind it. The name is written in lower case; `id` is its known-name number, or 0. With a known name, the octets of
   * the name need not be there.
   */
  field(
    dst: Buffer,
    at: number,
    src: Viewed,
    nameStart: number,
    nameEnd: number,
    id: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    const known = id < OURS ? id : 0;
    const { buf } = src;
    let first = staticOfId[known]!;
    if (first !== 0) {
      const found = staticField(first, buf, valueStart, valueEnd);
      if (found !== 0) {
        dst[at] = INDEXED | found;
        return at + 1;
      }
    }
    const index = this.#index ?? this.#makeIndex();
    let hash = 0;
    if (isSecret[first] === 0 && isVolatile[known] === 0) {
      const guess = index.guess();
      if (guess >= 0 && index.holds(guess, known, src, nameStart, nameEnd, valueStart, valueEnd))
        return this.#indexed(dst, at, guess);
      const name = known === 0 ? hashName(buf, nameStart, nameEnd) : known;
      hash = hashValue(name, src.view, valueStart, valueEnd);
      for (let age = index.next(hash, -1); age >= 0; age = index.next(hash, age))
        if (index.holds(age, known, src, nameStart, nameEnd, valueStart, valueEnd)) return this.#indexed(dst, at, age);
      if (known === 0) first = staticName(buf, nameStart, nameEnd, name);
    }
    const names = known === 0 ? buf : nameOctets(known);
    const from = known === 0 ? nameStart : 0;
    const nameLength = known === 0 ? nameEnd - nameStart : names.length;
    const length = valueEnd - valueStart;
    const p = this.#beforeValue(dst, at, hash, first, known, names, from, nameLength, length);
    if (length > SHORT) buf.copy(dst, p, valueStart, valueEnd);
    else for (let i = 0; i < length; i++) dst[p + i] = buf[valueStart + i]!;
    if (this.#inserts) this.#insert(hash, known, names, from, nameLength, dst, p, length);
    return p + length;
  }

  /** A field whose name is known by number, with a value of characters up to U+00FF. */
  text(dst: Buffer, at: number, id: number, value: string): number {
    const first = staticOfId[id]!;
    if (first !== 0) {
      const found = staticText(first, value);
      if (found !== 0) {
        dst[at] = INDEXED | found;
        return at + 1;
      }
    }
    const index = this.#index ?? this.#makeIndex();
    let hash = 0;
    if (isSecret[first] === 0 && isVolatile[id] === 0) {
      const guess = index.guess();
      if (guess >= 0 && index.holdsText(guess, id, value)) return this.#indexed(dst, at, guess);
      hash = hashText(id, value);
      for (let age = index.next(hash, -1); age >= 0; age = index.next(hash, age))
        if (index.holdsText(age, id, value)) return this.#indexed(dst, at, age);
    }
    const name = nameOctets(id);
    const { length } = value;
    const p = this.#beforeValue(dst, at, hash, first, id, name, 0, name.length, length);
    if (length > SHORT) dst.write(value, p, 'latin1');
    else for (let i = 0; i < length; i++) dst[p + i] = value.charCodeAt(i);
    if (this.#inserts) this.#insert(hash, id, name, 0, name.length, dst, p, length);
    return p + length;
  }

  /** A field as text. Dearer than the others, unless the name is known. */
  named(dst: Buffer, at: number, name: string, value: string): number {
    const id = idOfName.get(name) ?? 0;
    if (id !== 0) return this.text(dst, at, id, value);
    const src = viewed(name.length + value.length);
    src.buf.write(name, 0, 'latin1');
    src.buf.write(value, name.length, 'latin1');
    return this.field(dst, at, src, 0, name.length, 0, name.length, name.length + value.length);
  }

  /** A field that no table may have (RFC 7541 section 6.2.3), because its sender said so. */
  secret(
    dst: Buffer,
    at: number,
    src: Viewed,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    const length = valueEnd - valueStart;
    const p = putPrefix(dst, at, NEVER_INDEXED, 0, src.buf, nameStart, nameEnd - nameStart, length);
    src.buf.copy(dst, p, valueStart, valueEnd);
    return p + length;
  }

  #makeIndex(): FieldIndex {
    const index = new FieldIndex(MAX_TABLE);
    index.table.setLimit(this.#limit);
    this.#index = index;
    return index;
  }

  #indexed(dst: Buffer, at: number, age: number): number {
    this.#index!.use(age);
    return writeInteger(dst, at, INDEXED, 0x7f, STATIC + 1 + age);
  }

  /** Decides how a field is written that no table has; gives the position of its value. `first`: the static table's name. */
  #beforeValue(
    dst: Buffer,
    at: number,
    hash: number,
    first: number,
    known: number,
    names: Buffer,
    nameStart: number,
    nameLength: number,
    valueLength: number,
  ): number {
    this.#inserts = false;
    let name = first;
    let pattern = NOT_INDEXED;
    if (isSecret[first] === 1) pattern = NEVER_INDEXED;
    else {
      const index = this.#index!;
      const age = known !== 0 && first === 0 ? index.findName(known) : -1;
      if (age >= 0) name = STATIC + 1 + age;
      // A known name that no table has is worth a place there, whatever its value.
      const wanted = (hash !== 0 && index.cameBefore(hash)) || (name === 0 && known !== 0);
      if (wanted && valueLength <= MAX_VALUE && nameLength + valueLength + ENTRY <= this.#limit) {
        pattern = INSERTED;
        this.#inserts = true;
      }
    }
    return putPrefix(dst, at, pattern, name, names, nameStart, nameLength, valueLength);
  }

  /** Adds a field whose value has just been written to `values`. */
  #insert(
    hash: number,
    known: number,
    names: Buffer,
    nameStart: number,
    nameLength: number,
    values: Buffer,
    valueStart: number,
    valueLength: number,
  ): void {
    const index = this.#index!;
    const at = index.add(hash, known, nameLength, valueLength);
    const { buf } = index.table.lines;
    for (let i = 0; i < nameLength; i++) buf[at + i] = lower[names[nameStart + i]!]!;
    values.copy(buf, at + nameLength + 2, valueStart, valueStart + valueLength);
  }
}

/** Writes what stands before the value of a literal (RFC 7541 section 6.2): the name, by its index `name` if that is not 0. */
function putPrefix(
  dst: Buffer,
  at: number,
  pattern: number,
  name: number,
  names: Buffer,
  nameStart: number,
  nameLength: number,
  valueLength: number,
): number {
  let p = writeInteger(dst, at, pattern, pattern === INSERTED ? 0x3f : 0x0f, name);
  if (name === 0) {
    p = writeInteger(dst, p, 0, 0x7f, nameLength);
    for (let i = 0; i < nameLength; i++) dst[p++] = lower[names[nameStart + i]!]!;
  }
  return writeInteger(dst, p, 0, 0x7f, valueLength);
}
