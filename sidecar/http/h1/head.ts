/**
 * The head of an HTTP/1.1 message (RFC 9112) as offsets into its octets. One pass, no strings, no objects per field.
 * Strict: one bad octet refuses the whole message, nothing is mended. Does no I/O.
 */
import type { ErrorCode } from '../../../lib/errors.ts';
import { hashStep, identify } from './names.ts';
import {
  COLON,
  CR,
  DOT,
  FORBIDDEN,
  HTAB,
  isToken,
  isValue,
  LF,
  lower,
  PLAIN,
  QUERY,
  SLASH,
  SP,
  targetClass,
} from './octets.ts';

/** Octets of a head, all in: start line, fields and line ends. security.md and Envoy agree on this figure. */
export const MAX_HEAD = 60 * 1024;
export const MAX_FIELDS = 100;
export const MAX_TARGET = 16 * 1024;
export const MAX_METHOD = 64;

/** The head is valid as far as it goes, and not complete. */
export const INCOMPLETE = -1;
/** `problem` says what is wrong. */
export const INVALID = -2;

const STRIDE = 5;

export class Head {
  buf: Buffer = Buffer.alloc(0);
  count = 0;
  /** Known-name number of each field, 0 for names that the data path does not act on. */
  readonly ids = new Uint8Array(MAX_FIELDS);
  /** Per field: start of name, end of name, start of value, end of value, start of the next line. */
  readonly #at = new Int32Array(MAX_FIELDS * STRIDE);
  /** Start of the first field line. */
  fieldsStart = 0;
  /** Start of the empty line that ends the head. */
  fieldsEnd = 0;

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

  nameStart(field: number): number {
    return this.#at[field * STRIDE]!;
  }
  nameEnd(field: number): number {
    return this.#at[field * STRIDE + 1]!;
  }
  valueStart(field: number): number {
    return this.#at[field * STRIDE + 2]!;
  }
  valueEnd(field: number): number {
    return this.#at[field * STRIDE + 3]!;
  }
  lineEnd(field: number): number {
    return this.#at[field * STRIDE + 4]!;
  }
  /** The line reads exactly `name: value`, so its octets may be copied as they are. */
  isClean(field: number): boolean {
    const at = field * STRIDE;
    const nameEnd = this.#at[at + 1]!;
    return (
      this.#at[at + 2] === nameEnd + 2 && this.buf[nameEnd + 1] === SP && this.#at[at + 3] === this.#at[at + 4]! - 2
    );
  }
  value(field: number): string {
    return this.buf.toString('latin1', this.valueStart(field), this.valueEnd(field));
  }
  text(start: number, end: number): string {
    return this.buf.toString('latin1', start, end);
  }

  /** Makes the offsets speak of `copy`, which holds what stood at `from` in the scanned octets at its own 0. */
  moveTo(copy: Buffer, from: number): void {
    this.buf = copy;
    for (let i = 0; i < this.count * STRIDE; i++) this.#at[i]! -= from;
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

  #fail(problem: ErrorCode, text: string): number {
    this.problem = problem;
    this.problemText = text;
    return INVALID;
  }

  /** Scans a request head in buf[start, end). Gives the position behind it, INCOMPLETE or INVALID. */
  scanRequest(buf: Buffer, start: number, end: number): number {
    this.buf = buf;
    let p = start;
    this.methodStart = p;
    while (p < end && isToken[buf[p]!] === 1) p++;
    if (p - start > MAX_METHOD) return this.#fail('BAD_REQUEST', 'the method is too long');
    if (p === end) return INCOMPLETE;
    if (buf[p] !== SP || p === start)
      return this.#fail('BAD_REQUEST', 'the method is not a token followed by one space');
    this.methodEnd = p++;
    this.targetStart = p;
    this.queryStart = -1;
    this.pathSuspect = false;
    let before = PLAIN;
    for (; p < end; p++) {
      const kind = targetClass[buf[p]!]!;
      if (kind === PLAIN) {
        before = PLAIN;
        continue;
      }
      if (kind === FORBIDDEN) break;
      if (this.queryStart < 0) {
        if (kind === QUERY) this.queryStart = p;
        // `//`, `/.` and `%`, `\`, `;` need the slow look; anything else is canonical as it stands.
        else if (kind !== DOT ? kind !== SLASH || before === SLASH : before === SLASH) this.pathSuspect = true;
      }
      before = kind;
    }
    if (p - this.targetStart > MAX_TARGET) return this.#fail('TARGET_TOO_LONG', 'the target is too long');
    if (p === end) return INCOMPLETE;
    if (buf[p] !== SP || p === this.targetStart)
      return this.#fail('BAD_REQUEST', 'the target is empty, has an octet that is not allowed, or no version follows');
    this.targetEnd = p++;
    if (this.queryStart < 0) this.queryStart = this.targetEnd;
    const version = this.#version(buf, p, end);
    if (version < 0) return version;
    p = version;
    if (p === end) return INCOMPLETE;
    if (buf[p] !== CR) return this.#fail('BAD_REQUEST', 'something follows the version');
    if (p + 1 === end) return INCOMPLETE;
    if (buf[p + 1] !== LF) return this.#fail('BAD_REQUEST', 'CR without LF');
    return this.#fields(buf, start, p + 2, end);
  }

  /** Scans a response head in buf[start, end). Gives the position behind it, INCOMPLETE or INVALID. */
  scanResponse(buf: Buffer, start: number, end: number): number {
    this.buf = buf;
    const version = this.#version(buf, start, end);
    if (version < 0) return version;
    let p = version;
    if (end - p < 4) return INCOMPLETE;
    const hundreds = buf[p + 1]! - 48;
    const tens = buf[p + 2]! - 48;
    const ones = buf[p + 3]! - 48;
    if (buf[p] !== SP || hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9)
      return this.#fail('UPSTREAM_INVALID', 'the status is not three digits after one space');
    this.status = hundreds * 100 + tens * 10 + ones;
    p += 4;
    // RFC 9112 section 4: the space before the reason must be there; servers that leave out both are common.
    if (p < end && buf[p] === SP) p++;
    else if (p < end && buf[p] !== CR) return this.#fail('UPSTREAM_INVALID', 'the status is longer than three digits');
    this.reasonStart = p;
    this.lineStart = start;
    this.lineIsClean = this.minor === 1 && buf[p - 1] === SP;
    while (p < end && isValue[buf[p]!] === 1) p++;
    this.reasonEnd = p;
    if (p - this.reasonStart > MAX_TARGET) return this.#fail('UPSTREAM_INVALID', 'the reason is too long');
    if (p === end) return INCOMPLETE;
    if (buf[p] !== CR) return this.#fail('UPSTREAM_INVALID', 'the reason has an octet that is not allowed');
    if (p + 1 === end) return INCOMPLETE;
    if (buf[p + 1] !== LF) return this.#fail('UPSTREAM_INVALID', 'CR without LF');
    const behind = this.#fields(buf, start, p + 2, end);
    if (behind === INVALID) this.problem = 'UPSTREAM_INVALID';
    return behind;
  }

  /** `HTTP/1.0` or `HTTP/1.1` at p; gives the position behind it. RFC 9112 section 2.3: the name is case-sensitive. */
  #version(buf: Buffer, p: number, end: number): number {
    const text = 'HTTP/1.';
    for (let i = 0; i < 8; i++) {
      if (p + i === end) return INCOMPLETE;
      const octet = buf[p + i]!;
      if (i < 7 ? octet === text.charCodeAt(i) : octet === 48 || octet === 49) continue;
      const isDigit = octet >= 48 && octet <= 57;
      if (i >= 5 && isDigit) return this.#fail('VERSION_NOT_SUPPORTED', 'neither HTTP/1.0 nor HTTP/1.1');
      return this.#fail('BAD_REQUEST', 'this is not an HTTP version');
    }
    this.minor = buf[p + 7]! - 48;
    return p + 8;
  }

  #fields(buf: Buffer, start: number, from: number, end: number): number {
    const at = this.#at;
    let p = from;
    this.fieldsStart = p;
    this.count = 0;
    for (;;) {
      // The empty line that ends the head is still to come.
      if (p + 2 - start > MAX_HEAD) return this.#fail('HEAD_TOO_LARGE', `the head is larger than ${MAX_HEAD} octets`);
      if (p === end) return INCOMPLETE;
      if (buf[p] === CR) {
        if (p + 1 === end) return INCOMPLETE;
        if (buf[p + 1] !== LF) return this.#fail('BAD_REQUEST', 'CR without LF');
        this.fieldsEnd = p;
        return p + 2;
      }
      if (this.count === MAX_FIELDS) return this.#fail('HEAD_TOO_LARGE', `more than ${MAX_FIELDS} fields`);
      const nameStart = p;
      let hash = 0;
      while (p < end) {
        const octet = buf[p]!;
        if (isToken[octet] !== 1) break;
        hash = hashStep(hash, octet === 0x5f ? 0x2d : lower[octet]!);
        p++;
      }
      if (p === end) {
        if (p + 2 - start > MAX_HEAD) continue;
        return INCOMPLETE;
      }
      // RFC 9112 section 5.1: no space before the colon; section 5.2: no folded lines.
      if (buf[p] !== COLON || p === nameStart)
        return this.#fail('BAD_REQUEST', 'a field name is not a token and a colon');
      const nameEnd = p++;
      while (p < end && (buf[p] === SP || buf[p] === HTAB)) p++;
      const valueStart = p;
      while (p < end && isValue[buf[p]!] === 1) p++;
      if (p === end) {
        if (p + 2 - start > MAX_HEAD) continue;
        return INCOMPLETE;
      }
      if (buf[p] !== CR) return this.#fail('BAD_REQUEST', 'a field value has an octet that is not allowed');
      if (p + 1 === end) return INCOMPLETE;
      if (buf[p + 1] !== LF) return this.#fail('BAD_REQUEST', 'CR without LF');
      let valueEnd = p;
      while (valueEnd > valueStart && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HTAB)) valueEnd--;
      p += 2;
      const field = this.count++;
      const row = field * STRIDE;
      at[row] = nameStart;
      at[row + 1] = nameEnd;
      at[row + 2] = valueStart;
      at[row + 3] = valueEnd;
      at[row + 4] = p;
      this.ids[field] = identify(buf, nameStart, nameEnd, hash);
    }
  }
}
