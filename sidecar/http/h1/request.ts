/** What the fields of an HTTP/1.1 request say about its framing, its host and its connection. RFC 9110, RFC 9112. */
import type { Head } from '../message/head.ts';
import { isCanonicalLength, parseLength } from '../message/lengths.ts';
import { hashStep, identify, nameId, OURS } from '../message/names.ts';
import { equalsLower, HTAB, isToken, lower, SP } from '../message/octets.ts';
import type { RequestInfo } from '../message/request.ts';

const known = nameId;
/** A sender may not have these removed by naming them in Connection: framing, routing and identity are not its to drop. */
const notNominated = new Set<number>([
  known.host,
  known['content-length'],
  known['transfer-encoding'],
  known.authorization,
  known['x-forwarded-for'],
  known['x-forwarded-proto'],
  known['x-forwarded-client-cert'],
  known.traceparent,
  known['x-request-id'],
  OURS,
]);

/** Fills `info` from a scanned head. False: the request is refused with `info.problem`. */
export function readRequest(head: Head, info: RequestInfo): boolean {
  info.reset();
  info.keepAlive = head.minor === 1;
  let lengths = 0;
  let codings = 0;
  let authorizations = 0;
  let expect = -1;
  for (let field = 0; field < head.count; field++) {
    const id = head.ids[field]!;
    if (id === 0) continue;
    if (info.at[id]! < 0) info.at[id] = field;
    if (id === known.host) {
      if (info.host >= 0) return info.fail('BAD_REQUEST', 'more than one Host'); // RFC 9112 section 3.2
      info.host = field;
    } else if (id === known.connection) {
      if (!connection(head, info, field)) return info.fail('BAD_REQUEST', 'Connection is not a list of tokens');
    } else if (id === known['content-length']) {
      info.length = parseLength(head.buf, head.valueStart(field), head.valueEnd(field));
      if (isCanonicalLength(head, field)) info.lengthField = field;
      if (++lengths > 1 || info.length < 0) return info.fail('BAD_REQUEST', 'Content-Length is not one plain number');
    } else if (id === known['transfer-encoding']) {
      if (++codings > 1) return info.fail('BAD_REQUEST', 'more than one Transfer-Encoding');
      if (!equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), 'chunked'))
        return info.fail('BAD_REQUEST', 'a Transfer-Encoding other than chunked');
    } else if (id === known.expect) expect = field;
    else if (id === known.authorization && ++authorizations > 1)
      return info.fail('BAD_REQUEST', 'more than one Authorization');
  }
  // RFC 9112 section 6.1: both at once is an attempt at smuggling, and HTTP/1.0 knows no transfer codings.
  if (codings > 0 && (lengths > 0 || head.minor === 0))
    return info.fail('BAD_REQUEST', 'Transfer-Encoding beside Content-Length, or in HTTP/1.0');
  if (info.host < 0 && head.minor === 1) return info.fail('BAD_REQUEST', 'no Host');
  if (info.close) info.keepAlive = false;
  info.hasLength = lengths > 0;
  info.framing = codings > 0 ? 'streamed' : lengths > 0 && info.length > 0 ? 'length' : 'none';
  return expect < 0 || expectation(head, info, expect);
}

function expectation(head: Head, info: RequestInfo, field: number): boolean {
  if (!equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), '100-continue'))
    return info.fail('EXPECTATION_FAILED', 'only 100-continue can be expected');
  // RFC 9110 section 10.1.1: ignored from HTTP/1.0 and where no content follows.
  info.expectContinue = head.minor === 1 && info.framing !== 'none';
  return true;
}

function connection(head: Head, info: RequestInfo, field: number): boolean {
  return readTokens(head.buf, head.valueStart(field), head.valueEnd(field), (start, end, hash) => {
    if (equalsLower(head.buf, start, end, 'close')) info.close = true;
    else if (equalsLower(head.buf, start, end, 'keep-alive')) info.keepAlive = true;
    else if (!notNominated.has(identify(head.buf, start, end, hash))) {
      info.nominated ??= [];
      info.nominated.push(head.text(start, end).toLowerCase());
    }
  });
}

/** Calls `each` with every token of a comma-separated list; false when something is no token. Empty elements are skipped. */
export function readTokens(
  buf: Buffer,
  start: number,
  end: number,
  each: (start: number, end: number, hash: number) => void,
): boolean {
  let p = start;
  while (p < end) {
    while (p < end && (buf[p] === SP || buf[p] === HTAB || buf[p] === 0x2c)) p++;
    if (p === end) return true;
    const from = p;
    let hash = 0;
    while (p < end && isToken[buf[p]!] === 1) {
      const octet = buf[p]!;
      hash = hashStep(hash, octet === 0x5f ? 0x2d : lower[octet]!);
      p++;
    }
    if (p === from) return false;
    each(from, p, hash);
    while (p < end && (buf[p] === SP || buf[p] === HTAB)) p++;
    if (p < end && buf[p] !== 0x2c) return false;
  }
  return true;
}
