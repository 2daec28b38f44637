/**
 * Scans the head of an HTTP/1.1 message (RFC 9112) in one pass. Strict: one bad octet refuses the whole message, nothing
 * is mended. Does no I/O.
 */
import { type Head, INCOMPLETE, INVALID, MAX_METHOD, MAX_TARGET, STRIDE } from '../message/head.ts';
import { hashStep, identify } from '../message/names.ts';
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
} from '../message/octets.ts';

/** Scans a request head in buf[start, end). Gives the position behind it, INCOMPLETE or INVALID. */
export function scanRequest(head: Head, buf: Buffer, start: number, end: number): number {
  head.buf = buf;
  let p = start;
  head.methodStart = p;
  while (p < end && isToken[buf[p]!] === 1) p++;
  if (p - start > MAX_METHOD) return head.fail('BAD_REQUEST', 'the method is too long');
  if (p === end) return INCOMPLETE;
  if (buf[p] !== SP || p === start) return head.fail('BAD_REQUEST', 'the method is not a token followed by one space');
  head.methodEnd = p++;
  head.targetStart = p;
  head.queryStart = -1;
  head.pathSuspect = false;
  let before = PLAIN;
  for (; p < end; p++) {
    const kind = targetClass[buf[p]!]!;
    if (kind === PLAIN) {
      before = PLAIN;
      continue;
    }
    if (kind === FORBIDDEN) break;
    if (head.queryStart < 0) {
      if (kind === QUERY) head.queryStart = p;
      // `//`, `/.` and `%`, `\`, `;` need the slow look; anything else is canonical as it stands.
      else if (kind !== DOT ? kind !== SLASH || before === SLASH : before === SLASH) head.pathSuspect = true;
    }
    before = kind;
  }
  if (p - head.targetStart > head.maxTarget) return head.fail('TARGET_TOO_LONG', 'the target is too long');
  if (p === end) return INCOMPLETE;
  if (buf[p] !== SP || p === head.targetStart)
    return head.fail('BAD_REQUEST', 'the target is empty, has an octet that is not allowed, or no version follows');
  head.targetEnd = p++;
  if (head.queryStart < 0) head.queryStart = head.targetEnd;
  const behind = version(head, buf, p, end);
  if (behind < 0) return behind;
  p = behind;
  if (p === end) return INCOMPLETE;
  if (buf[p] !== CR) return head.fail('BAD_REQUEST', 'something follows the version');
  if (p + 1 === end) return INCOMPLETE;
  if (buf[p + 1] !== LF) return head.fail('BAD_REQUEST', 'CR without LF');
  return fields(head, buf, start, p + 2, end);
}

/** Scans a response head in buf[start, end). Gives the position behind it, INCOMPLETE or INVALID. */
export function scanResponse(head: Head, buf: Buffer, start: number, end: number): number {
  head.buf = buf;
  const behind = version(head, buf, start, end);
  if (behind < 0) return behind;
  let p = behind;
  if (end - p < 4) return INCOMPLETE;
  const hundreds = buf[p + 1]! - 48;
  const tens = buf[p + 2]! - 48;
  const ones = buf[p + 3]! - 48;
  if (buf[p] !== SP || hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9)
    return head.fail('UPSTREAM_INVALID', 'the status is not three digits after one space');
  head.status = hundreds * 100 + tens * 10 + ones;
  p += 4;
  // RFC 9112 section 4: the space before the reason must be there; servers that leave out both are common.
  if (p < end && buf[p] === SP) p++;
  else if (p < end && buf[p] !== CR) return head.fail('UPSTREAM_INVALID', 'the status is longer than three digits');
  head.reasonStart = p;
  head.lineStart = start;
  head.lineIsClean = head.minor === 1 && buf[p - 1] === SP;
  while (p < end && isValue[buf[p]!] === 1) p++;
  head.reasonEnd = p;
  if (p - head.reasonStart > MAX_TARGET) return head.fail('UPSTREAM_INVALID', 'the reason is too long');
  if (p === end) return INCOMPLETE;
  if (buf[p] !== CR) return head.fail('UPSTREAM_INVALID', 'the reason has an octet that is not allowed');
  if (p + 1 === end) return INCOMPLETE;
  if (buf[p + 1] !== LF) return head.fail('UPSTREAM_INVALID', 'CR without LF');
  const after = fields(head, buf, start, p + 2, end);
  if (after === INVALID) head.problem = 'UPSTREAM_INVALID';
  return after;
}

/** Could be the target of a request (RFC 9112 section 3.2): a path, `*`, or something with a colon in it. */
function isTarget({ buf, targetStart, targetEnd }: Head): boolean {
  const first = buf[targetStart];
  return first === 0x2f || first === 0x2a || buf.subarray(targetStart, targetEnd).includes(COLON);
}

/** `HTTP/1.0` or `HTTP/1.1` at p; gives the position behind it. RFC 9112 section 2.3: the name is case-sensitive. */
function version(head: Head, buf: Buffer, p: number, end: number): number {
  const text = 'HTTP/1.';
  for (let i = 0; i < 8; i++) {
    if (p + i === end) return INCOMPLETE;
    const octet = buf[p + i]!;
    if (i < 7 ? octet === text.charCodeAt(i) : octet === 48 || octet === 49) continue;
    const isDigit = octet >= 48 && octet <= 57;
    if (i >= 5 && isDigit) return head.fail('VERSION_NOT_SUPPORTED', 'neither HTTP/1.0 nor HTTP/1.1');
    return head.fail(isTarget(head) ? 'BAD_REQUEST' : 'NOT_HTTP', 'this is not an HTTP version');
  }
  head.minor = buf[p + 7]! - 48;
  return p + 8;
}

function fields(head: Head, buf: Buffer, start: number, from: number, end: number): number {
  const { at, maxOctets, maxFields } = head;
  let p = from;
  head.fieldsStart = p;
  head.count = 0;
  for (;;) {
    // The empty line that ends the head is still to come.
    if (p + 2 - start > maxOctets) return head.fail('HEAD_TOO_LARGE', `the head is larger than ${maxOctets} octets`);
    if (p === end) return INCOMPLETE;
    if (buf[p] === CR) {
      if (p + 1 === end) return INCOMPLETE;
      if (buf[p + 1] !== LF) return head.fail('BAD_REQUEST', 'CR without LF');
      head.fieldsEnd = p;
      return p + 2;
    }
    if (head.count === maxFields) return head.fail('HEAD_TOO_LARGE', `more than ${maxFields} fields`);
    const nameStart = p;
    let hash = 0;
    while (p < end) {
      const octet = buf[p]!;
      if (isToken[octet] !== 1) break;
      hash = hashStep(hash, octet === 0x5f ? 0x2d : lower[octet]!);
      p++;
    }
    if (p === end) {
      if (p + 2 - start > maxOctets) continue;
      return INCOMPLETE;
    }
    // RFC 9112 section 5.1: no space before the colon; section 5.2: no folded lines.
    if (buf[p] !== COLON || p === nameStart) return head.fail('BAD_REQUEST', 'a field name is not a token and a colon');
    const nameEnd = p++;
    while (p < end && (buf[p] === SP || buf[p] === HTAB)) p++;
    const valueStart = p;
    while (p < end && isValue[buf[p]!] === 1) p++;
    if (p === end) {
      if (p + 2 - start > maxOctets) continue;
      return INCOMPLETE;
    }
    if (buf[p] !== CR) return head.fail('BAD_REQUEST', 'a field value has an octet that is not allowed');
    if (p + 1 === end) return INCOMPLETE;
    if (buf[p + 1] !== LF) return head.fail('BAD_REQUEST', 'CR without LF');
    let valueEnd = p;
    while (valueEnd > valueStart && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HTAB)) valueEnd--;
    p += 2;
    const field = head.count++;
    const row = field * STRIDE;
    at[row] = nameStart;
    at[row + 1] = nameEnd;
    at[row + 2] = valueStart;
    at[row + 3] = valueEnd;
    at[row + 4] = p;
    head.ids[field] = identify(buf, nameStart, nameEnd, hash);
  }
}
