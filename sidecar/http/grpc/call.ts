/** What the head of a gRPC call says: that it is one, and how long its caller waits. Octets only, no strings. */
import type { Head } from '../message/head.ts';
import { nameId } from '../message/names.ts';
import { lower } from '../message/octets.ts';
import type { RequestInfo } from '../message/request.ts';

const type = Buffer.from('application/grpc', 'latin1');
const PLUS = 0x2b;
const SEMICOLON = 0x3b;

/**
 * True for `application/grpc`, alone or with `+…` or `;…` behind it; not for application/grpc-web, which is made for
 * HTTP/1.1 and has its trailers in the body. gRPC needs HTTP/2: whatever HTTP/1.1 brings under this name is a request
 * like any other.
 */
export function isGrpc(head: Head, info: RequestInfo): boolean {
  const field = info.at[nameId['content-type']]!;
  if (field < 0 || head.startLine) return false;
  const { buf } = head;
  const start = head.valueStart(field);
  const end = head.valueEnd(field);
  const behind = start + type.length;
  if (behind > end) return false;
  for (let i = 0; i < type.length; i++) if (lower[buf[start + i]!] !== type[i]) return false;
  return behind === end || buf[behind] === PLUS || buf[behind] === SEMICOLON;
}

const MOST_DIGITS = 8;
/** Milliseconds of one unit, by its octet: Hour, Minute, Second, milli, u (micro), nano. */
const units = new Float64Array(256);
units[0x48] = 3_600_000;
units[0x4d] = 60_000;
units[0x53] = 1000;
units[0x6d] = 1;
units[0x75] = 1e-3;
units[0x6e] = 1e-6;

/**
 * Milliseconds that the caller waits, by `grpc-timeout`: one to eight digits, greater than 0, and a unit. Infinity when
 * the field is absent, or not valid: it goes on as it came, and what to make of it is up to the app.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function grpcTimeoutMs(head: Head, info: RequestInfo): number {
  const field = info.at[nameId['grpc-timeout']]!;
  if (field < 0) return Number.POSITIVE_INFINITY;
  const { buf } = head;
  const unit = head.valueEnd(field) - 1;
  const start = head.valueStart(field);
  if (unit <= start || unit - start > MOST_DIGITS) return Number.POSITIVE_INFINITY;
  let value = 0;
  for (let p = start; p < unit; p++) {
    const digit = buf[p]! - 48;
    if (digit < 0 || digit > 9) return Number.POSITIVE_INFINITY;
    value = value * 10 + digit;
  }
  const ms = value * units[buf[unit]!]!;
  return ms > 0 ? ms : Number.POSITIVE_INFINITY;
}
