import { OURS } from '../../message/names.ts';
import { lower } from '../../message/octets.ts';
import { sameOctets, type Viewed } from '../../message/viewed.ts';
import { FieldTable, LINE } from './field-table.ts';

const BUCKETS = 256;
const RECENT = 64;

/**
 * The dynamic table of an encoder, with ways to find a field in it. The first is a guess: what followed last time. Then
 * there are chains from the newest field of a bucket to older ones. Fields leave the table in the order in which they
 * came, so a chain ends where its next link is not older, and nothing has to be unlinked. A link is the place of a field,
 * which may have another one by now: then a chain leads to wrong fields, as a guess may, and callers look.
 */
export class FieldIndex {
  readonly table: FieldTable;
  readonly #mask: number;
  readonly #hashes: Int32Array;
  readonly #older: Uint8Array;
  readonly #newest = new Uint8Array(BUCKETS);
  readonly #newestOfId = new Uint8Array(OURS);
  /** The last few hashes that `cameBefore` was asked for and did not know. */
  readonly #recent = new Int32Array(RECENT);
  #oldestRecent = 0;
  /** Per field: the one that was used after it. */
  readonly #next: Uint8Array;
  /** The field that was used last. */
  #last = 0;

  /** `maxOctets` is at most 8192: a place is a number of eight bits. */
  constructor(maxOctets: number) {
    this.table = new FieldTable(maxOctets);
    const rows = this.table.maxCount;
    this.#mask = rows - 1;
    this.#hashes = new Int32Array(rows);
    this.#older = new Uint8Array(rows);
    this.#next = new Uint8Array(rows);
  }

  /** The age (how many fields came into the table later) of the field that may well be next, -1 for none. */
  guess(): number {
    const { table } = this;
    const age = (table.added - 1 - this.#next[this.#last]!) & this.#mask;
    return age < table.count ? age : -1;
  }

  /** The age of the newest field with this hash that is older than `age`, -1 for none. */
  next(hash: number, age: number): number {
    const { table } = this;
    const newest = table.added - 1;
    let link = age < 0 ? this.#newest[hash & (BUCKETS - 1)]! : this.#older[(newest - age) & this.#mask]!;
    for (let before = age; ; ) {
      const found = (newest - link) & this.#mask;
      if (found <= before || found >= table.count) return -1;
      if (this.#hashes[link & this.#mask] === hash) return found;
      before = found;
      link = this.#older[link & this.#mask]!;
    }
  }

  /** Remembers that the field of this age was used now. */
  use(age: number): void {
    const number = this.table.added - 1 - age;
    this.#next[this.#last] = number;
    this.#last = number & this.#mask;
  }

  /** The field of this age has the name, `id` if that is not 0, and the value. */
  holds(
    age: number,
    id: number,
    src: Viewed,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    const { rows, lines } = this.table;
    const row = this.table.rowOf(this.table.added - 1 - age);
    const start = rows[row]!;
    const nameLength = rows[row + 2]!;
    const valueLength = valueEnd - valueStart;
    if (rows[row + 3] !== id || rows[row + 1]! - nameLength - LINE !== valueLength) return false;
    if (id === 0) {
      if (nameLength !== nameEnd - nameStart) return false;
      const { buf } = src;
      const names = lines.buf;
      const from = start - nameStart;
      for (let p = nameStart; p < nameEnd; p++) if (lower[buf[p]!] !== names[from + p]) return false;
    }
    return sameOctets(src.view, valueStart, lines.view, start + nameLength + 2, valueLength);
  }

  /** The field of this age has this known name and this value. */
  holdsText(age: number, id: number, value: string): boolean {
    const { rows, lines } = this.table;
    const row = this.table.rowOf(this.table.added - 1 - age);
    const nameLength = rows[row + 2]!;
    if (rows[row + 3] !== id || rows[row + 1]! - nameLength - LINE !== value.length) return false;
    const from = rows[row]! + nameLength + 2;
    for (let i = 0; i < value.length; i++) if (lines.buf[from + i] !== value.charCodeAt(i)) return false;
    return true;
  }

  /** The age of the newest field with this known name, -1 for none. */
  findName(id: number): number {
    const { table } = this;
    const link = this.#newestOfId[id]!;
    const age = (table.added - 1 - link) & this.#mask;
    return age < table.count && table.rows[table.rowOf(link) + 3] === id ? age : -1;
  }

  /** Was this hash asked for not long ago? It is from now on. What comes only once is not worth a place in the table. */
  cameBefore(hash: number): boolean {
    const recent = this.#recent;
    for (let i = 0; i < RECENT; i++) if (recent[i] === hash) return true;
    recent[this.#oldestRecent] = hash;
    this.#oldestRecent = (this.#oldestRecent + 1) & (RECENT - 1);
    return false;
  }

  /** Adds a field, and gives the position in the table's lines where its name is to be written, its value two behind it. */
  add(hash: number, id: number, nameLength: number, valueLength: number): number {
    const { table } = this;
    const number = table.added;
    const at = table.add(nameLength, nameLength + valueLength + LINE, id);
    const bucket = hash & (BUCKETS - 1);
    this.#hashes[number & this.#mask] = hash;
    this.#older[number & this.#mask] = this.#newest[bucket]!;
    this.#newest[bucket] = number;
    this.#newestOfId[id] = number;
    this.use(0);
    return at;
  }
}
