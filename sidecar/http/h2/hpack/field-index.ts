import { OURS } from '../../message/names.ts';
import { lower } from '../../message/octets.ts';
import { FieldTable } from './field-table.ts';
import { ID } from './static-table.ts';

const BUCKETS = 256;
const RECENT = 128;

/**
 * The dynamic table of an encoder, with ways to find a field in it: chains from the newest field of a bucket to older
 * ones. Fields leave the table in the order in which they came, so a chain ends where its next link is too old, and
 * nothing has to be unlinked. Links are the low 16 bits of a field's number: one that is older than that leads to a wrong
 * field, which is found out like every other wrong field.
 */
export class FieldIndex {
  readonly table: FieldTable;
  readonly #hashes: Int32Array;
  readonly #older: Uint16Array;
  readonly #newest = new Uint16Array(BUCKETS);
  readonly #newestOfId = new Uint16Array(OURS);
  /** Hashes of the fields that came last and were not in the table. */
  readonly #recent = new Int32Array(RECENT);
  readonly #mask: number;

  constructor(maxOctets: number) {
    this.table = new FieldTable(maxOctets);
    const rows = this.table.maxCount;
    this.#hashes = new Int32Array(rows);
    this.#older = new Uint16Array(rows);
    this.#mask = rows - 1;
  }

  /** How many fields came after the one with this name and value, -1 when it is not in the table. */
  find(
    hash: number,
    id: number,
    src: Buffer,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    const { table } = this;
    let link = this.#newest[hash & (BUCKETS - 1)]!;
    for (let before = -1; ; ) {
      const age = (table.added - 1 - link) & 0xffff;
      if (age <= before || age >= table.count) return -1;
      const place = link & this.#mask;
      if (
        this.#hashes[place] === hash &&
        this.#holds(table.rowOf(link), id, src, nameStart, nameEnd, valueStart, valueEnd)
      )
        return age;
      before = age;
      link = this.#older[place]!;
    }
  }

  #holds(
    row: number,
    id: number,
    src: Buffer,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    const { rows } = this.table;
    const { buf } = this.table.lines;
    const start = rows[row]!;
    const nameLength = rows[row + 2]!;
    if (rows[row + 3] !== id || rows[row + 1]! - nameLength - 4 !== valueEnd - valueStart) return false;
    if (id === 0) {
      if (nameLength !== nameEnd - nameStart) return false;
      const from = start - nameStart;
      for (let p = nameStart; p < nameEnd; p++) if (lower[src[p]!] !== buf[from + p]) return false;
    }
    const from = start + nameLength + 2 - valueStart;
    for (let p = valueStart; p < valueEnd; p++) if (src[p] !== buf[from + p]) return false;
    return true;
  }

  /** How many fields came after the newest with this known name, -1 when there is none. */
  findName(id: number): number {
    const { table } = this;
    const link = this.#newestOfId[id]!;
    const age = (table.added - 1 - link) & 0xffff;
    return age < table.count && (table.rows[table.rowOf(link) + 3]! & ID) === id ? age : -1;
  }

  /** Was this hash asked for not long ago? It is from now on. What comes once in a while is not worth a place in the table. */
  cameBefore(hash: number): boolean {
    const place = (hash >>> 8) & (RECENT - 1);
    if (this.#recent[place] === hash) return true;
    this.#recent[place] = hash;
    return false;
  }

  /** Adds a field; gives the position in the table's lines where name and value are to be written, -1 when it is too large. */
  add(hash: number, id: number, nameLength: number, valueLength: number): number {
    const { table } = this;
    const at = table.add(nameLength, nameLength + valueLength + 4, id);
    if (at < 0) return at;
    const number = table.added - 1;
    const bucket = hash & (BUCKETS - 1);
    this.#hashes[number & this.#mask] = hash;
    this.#older[number & this.#mask] = this.#newest[bucket]!;
    this.#newest[bucket] = number;
    this.#newestOfId[id] = number;
    return at;
  }
}
