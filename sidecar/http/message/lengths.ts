/** Lengths as HTTP/1.1 writes them. Own readers: Number() and parseInt() would also read `5e0`, `0x5`, ` 5` and `5 x`. */
import type { Head } from './head.ts';
import { hexValue } from './octets.ts';

/** A decimal length (RFC 9110 section 8.6), or -1: digits only, below 2^53. Number() would also read `5e0` and `0x5`. */
export function parseLength(buf: Buffer, start: number, end: number): number {
  if (end === start || end - start > 15) return -1;
  let length = 0;
  for (let p = start; p < end; p++) {
    const digit = buf[p]! - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** A chunk size in hexadecimal, or -1. Leading zeros count toward the limit of 16 digits; the value stays below 2^53. */
export function parseChunkSize(buf: Buffer, start: number, end: number): number {
  if (end === start || end - start > 16) return -1;
  let size = 0;
  for (let p = start; p < end; p++) {
    const digit = hexValue[buf[p]!]!;
    if (digit === 255) return -1;
    size = size * 16 + digit;
  }
  return size <= Number.MAX_SAFE_INTEGER ? size : -1;
}

/** The line of a Content-Length reads exactly as we would write it, so that it may pass as our own. */
export const isCanonicalLength = (head: Head, field: number): boolean =>
  head.isClean(field) &&
  (head.buf[head.valueStart(field)] !== 48 || head.valueEnd(field) === head.valueStart(field) + 1);
