/** What the fields of a request say about its framing, its host and its connection. RFC 9110, RFC 9112. */
import type { ErrorCode } from '../../../lib/errors.ts';
import type { Head } from './head.ts';
import { isCanonicalLength, parseLength } from './lengths.ts';
import { hashStep, identify, LOOKALIKE, nameId, OURS } from './names.ts';
import { equalsLower, HTAB, isToken, lower, SP } from './octets.ts';

export type Framing = 'none' | 'length' | 'chunked' | 'until-close';

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

/** Filled in from a scanned head; one object a connection, reused. */
export class RequestInfo {
  framing: Framing = 'none';
  /** Octets of the body with framing `length`. */
  length = 0;
  /** A Content-Length was there, if only of 0. */
  hasLength = false;
  /** Field number of Host; -1 when an HTTP/1.0 request has none. */
  host = -1;
  /** The target is an absolute URI, which speaks for the host instead of Host. */
  absolute = false;
  /** Field number of the first field of each known name; -1 for absent ones. */
  readonly at = new Int16Array(LOOKALIKE + 1);
  /** The connection goes on after the response, as far as the request is concerned. */
  keepAlive = true;
  expectContinue = false;
  /** Names (lower case) that Connection says to drop; null: none. */
  nominated: string[] | null = null;
  /** Field number of Content-Length where the line reads as we would write it ourselves; -1 otherwise. */
  lengthField = -1;
  problem: ErrorCode = 'BAD_REQUEST';
  problemText = '';
  /** RFC 9112 section 9.3: `close` wins over `keep-alive` beside it. */
  #close = false;

  /** False: the request is refused with `problem`. */
  read(head: Head): boolean {
    this.framing = 'none';
    this.length = 0;
    this.host = -1;
    this.keepAlive = head.minor === 1;
    this.#close = false;
    this.expectContinue = false;
    this.nominated = null;
    this.lengthField = -1;
    this.absolute = false;
    this.at.fill(-1);
    let lengths = 0;
    let codings = 0;
    let authorizations = 0;
    let expect = -1;
    for (let field = 0; field < head.count; field++) {
      const id = head.ids[field]!;
      if (id === 0) continue;
      if (this.at[id]! < 0) this.at[id] = field;
      if (id === known.host) {
        if (this.host >= 0) return this.#fail('BAD_REQUEST', 'more than one Host'); // RFC 9112 section 3.2
        this.host = field;
      } else if (id === known.connection) {
        if (!this.#connection(head, field)) return this.#fail('BAD_REQUEST', 'Connection is not a list of tokens');
      } else if (id === known['content-length']) {
        this.length = parseLength(head.buf, head.valueStart(field), head.valueEnd(field));
        if (isCanonicalLength(head, field)) this.lengthField = field;
        if (++lengths > 1 || this.length < 0)
          return this.#fail('BAD_REQUEST', 'Content-Length is not one plain number');
      } else if (id === known['transfer-encoding']) {
        if (++codings > 1) return this.#fail('BAD_REQUEST', 'more than one Transfer-Encoding');
        if (!equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), 'chunked'))
          return this.#fail('BAD_REQUEST', 'a Transfer-Encoding other than chunked');
      } else if (id === known.expect) expect = field;
      else if (id === known.authorization && ++authorizations > 1)
        return this.#fail('BAD_REQUEST', 'more than one Authorization');
    }
    // RFC 9112 section 6.1: both at once is an attempt at smuggling, and HTTP/1.0 knows no transfer codings.
    if (codings > 0 && (lengths > 0 || head.minor === 0))
      return this.#fail('BAD_REQUEST', 'Transfer-Encoding beside Content-Length, or in HTTP/1.0');
    if (this.host < 0 && head.minor === 1) return this.#fail('BAD_REQUEST', 'no Host');
    if (this.#close) this.keepAlive = false;
    this.hasLength = lengths > 0;
    this.framing = codings > 0 ? 'chunked' : lengths > 0 && this.length > 0 ? 'length' : 'none';
    return expect < 0 || this.#expect(head, expect);
  }

  #expect(head: Head, field: number): boolean {
    if (!equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), '100-continue'))
      return this.#fail('EXPECTATION_FAILED', 'only 100-continue can be expected');
    // RFC 9110 section 10.1.1: ignored from HTTP/1.0 and where no content follows.
    this.expectContinue = head.minor === 1 && this.framing !== 'none';
    return true;
  }

  #connection(head: Head, field: number): boolean {
    return readTokens(head.buf, head.valueStart(field), head.valueEnd(field), (start, end, hash) => {
      if (equalsLower(head.buf, start, end, 'close')) this.#close = true;
      else if (equalsLower(head.buf, start, end, 'keep-alive')) this.keepAlive = true;
      else if (!notNominated.has(identify(head.buf, start, end, hash))) {
        this.nominated ??= [];
        this.nominated.push(head.text(start, end).toLowerCase());
      }
    });
  }

  #fail(problem: ErrorCode, text: string): false {
    this.problem = problem;
    this.problemText = text;
    return false;
  }
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
