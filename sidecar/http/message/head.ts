/**
 * The head of a message, whatever protocol carried it: offsets into its octets, no strings, no objects per field. The
 * octets stand as lines `name: value CR LF`, so that runs of them can be copied to an HTTP/1.1 wire as they are.
 * h1/scan.ts fills it from HTTP/1.1 (RFC 9112), h2/hpack from HTTP/2 (RFC 9113), both strictly: one bad octet refuses
 * the whole message. Does no I/O.
 */
import type { ErrorCode } from '../../../lib/errors.ts';
import type { Limits } from '../../limits/limits.ts';
import { SP } from './octets.ts';
import { SLACK, type Viewed, viewed, viewOf } from './viewed.ts';

/** Octets of a head, all in: start line, fields and line ends. The most that settings may ask for, like the next two. */
export const MAX_HEAD = 60 * 1024;
export const MAX_FIELDS = 100;
export const MAX_TARGET = 16 * 1024;
export const MAX_METHOD = 64;

/** The head is valid as far as it goes, and not complete. */
export const INCOMPLETE = -1;
/** `problem` says what is wrong. */
export const INVALID = -2;

/** Entries of `at` for one field. */
export const STRIDE = 5;

const nothing = viewed(0);
const LEAST_OWN = 1024;

export class Head {
  buf: Buffer = Buffer.alloc(0);
  count = 0;
  /** What is taken: whoever fills the head refuses more. */
  maxOctets = MAX_HEAD;
  maxFields = MAX_FIELDS;
  maxTarget = MAX_TARGET;
  /** Known-name number of each field, 0 for names that the data path does not act on. */
  readonly ids = new Uint8Array(MAX_FIELDS);
  /** Per field: 1 when its sender wants it in no table of any hop, RFC 7541 section 6.2.3. */
  readonly secret = new Uint8Array(MAX_FIELDS);
  /** Per field: start of name, end of name, start of value, end of value, start of the next line. */
  readonly at = new Int32Array(MAX_FIELDS * STRIDE);
  /** Start of the first field line. */
  fieldsStart = 0;
  /** Start of the empty line that ends the head. */
  fieldsEnd = 0;

  /** The start line stands before the fields as HTTP/1.1 writes it, so that it may be copied with them. */
  startLine = true;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Position of the first `?` of the target, or targetEnd. */
  queryStart = 0;
  /** The path has octets or segments that its canonical form may not have. */
  pathSuspect = false;
  /** Start of a response's first line. */
  lineStart = 0;
  /** That line reads exactly as we would write it. */
  lineIsClean = false;
  /** Minor version: 0 or 1. */
  minor = 1;
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;

  problem: ErrorCode = 'BAD_REQUEST';
  problemText = '';

  /** Takes less than there is room for. */
  limit({ headOctets, fields, targetOctets }: Limits): void {
    this.maxOctets = Math.min(headOctets, MAX_HEAD);
    this.maxFields = Math.min(fields, MAX_FIELDS);
    this.maxTarget = Math.min(targetOctets, MAX_TARGET);
  }

  #own = nothing;

  /** Octets of its own, for codecs that write the lines instead of finding them: see `begin`. */
  get own(): Viewed {
    return this.#own;
  }

  #seen: Viewed = nothing;

  /** A view of `buf`. */
  get view(): DataView {
    if (this.buf === this.#own.buf) return this.#own.view;
    // A connection keeps its heads in one buffer, for all of its requests.
    if (this.#seen.buf !== this.buf) this.#seen = { buf: this.buf, view: viewOf(this.buf) };
    return this.#seen.view;
  }

  /** Empties the head. From now on its octets are its own; `append` adds a line that was written at `fieldsEnd`. */
  begin(): void {
    this.buf = this.#own.buf;
    this.count = 0;
    this.fieldsStart = 0;
    this.fieldsEnd = 0;
    this.startLine = false;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.queryStart = 0;
    this.pathSuspect = false;
    this.minor = 1;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.problemText = '';
  }

  /** Makes the octets of its own at least this many. Keeps what stands there; `own` may be another then. */
  reserve(octets: number): void {
    if (octets <= this.#own.buf.length - SLACK) return;
    const larger = viewed(Math.max(LEAST_OWN, octets, Math.min(this.#own.buf.length * 2, MAX_HEAD)));
    this.#own.buf.copy(larger.buf);
    this.#own = larger;
    this.buf = larger.buf;
  }

  /** Takes the line at `fieldsEnd` of its own octets, `name: value CR LF`, as the next field. */
  append(nameLength: number, lineLength: number, id: number, secret: number): void {
    const field = this.count++;
    const start = this.fieldsEnd;
    const row = field * STRIDE;
    const at = this.at;
    at[row] = start;
    at[row + 1] = start + nameLength;
    at[row + 2] = start + nameLength + 2;
    at[row + 3] = start + lineLength - 2;
    at[row + 4] = start + lineLength;
    this.ids[field] = id;
    this.secret[field] = secret;
    this.fieldsEnd = start + lineLength;
  }

  nameStart(field: number): number {
    return this.at[field * STRIDE]!;
  }
  nameEnd(field: number): number {
    return this.at[field * STRIDE + 1]!;
  }
  valueStart(field: number): number {
    return this.at[field * STRIDE + 2]!;
  }
  valueEnd(field: number): number {
    return this.at[field * STRIDE + 3]!;
  }
  lineEnd(field: number): number {
    return this.at[field * STRIDE + 4]!;
  }
  /** The line reads exactly `name: value`, so its octets may be copied as they are. */
  isClean(field: number): boolean {
    const at = field * STRIDE;
    const nameEnd = this.at[at + 1]!;
    return this.at[at + 2] === nameEnd + 2 && this.buf[nameEnd + 1] === SP && this.at[at + 3] === this.at[at + 4]! - 2;
  }
  value(field: number): string {
    return this.buf.toString('latin1', this.valueStart(field), this.valueEnd(field));
  }
  text(start: number, end: number): string {
    return this.buf.toString('latin1', start, end);
  }

  /** A head of its own, with octets of its own. */
  copy(): Head {
    const copy = new Head();
    Object.assign(copy, { ...this, ids: copy.ids, secret: copy.secret, at: copy.at });
    copy.ids.set(this.ids);
    copy.secret.set(this.secret);
    copy.at.set(this.at);
    copy.buf = Buffer.from(this.buf);
    return copy;
  }

  /** Makes the offsets speak of `copy`, which holds what stood at `from` in the scanned octets at its own 0. */
  moveTo(copy: Buffer, from: number): void {
    this.buf = copy;
    for (let i = 0; i < this.count * STRIDE; i++) this.at[i]! -= from;
    this.fieldsStart -= from;
    this.fieldsEnd -= from;
    this.methodStart -= from;
    this.methodEnd -= from;
    this.targetStart -= from;
    this.targetEnd -= from;
    this.queryStart -= from;
    this.lineStart -= from;
    this.reasonStart -= from;
    this.reasonEnd -= from;
  }

  /** Refuses the head; gives INVALID. */
  fail(problem: ErrorCode, text: string): number {
    this.problem = problem;
    this.problemText = text;
    return INVALID;
  }
}
