import { CR, HTAB, isToken, LF, SP } from '../http/message/octets.ts';

/** What a connection speaks; `opaque`: neither form of HTTP. */
export type Spoken = 'h1' | 'h2' | 'opaque';

/** RFC 9113 section 3.4: what an HTTP/2 client says first. The first four octets are no method of HTTP/1.1. */
const PREFACE = 'PRI ';
const METHODS = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'PATCH ', 'CONNECT ', 'TRACE '];
const LONGEST_METHOD = 24;
/** A line of this length that does not say what it is is not a request line. */
const LONGEST_LINE = 16 * 1024 + 256;
const SLASH = 0x2f;
/** What follows the target of a request line. */
const VERSION = Buffer.from(' HTTP/', 'latin1');

/**
 * What the first octets of a connection say it speaks; undefined: more are needed. The answer does not depend on how
 * they were split. Without `opaqueToo` whatever is not HTTP/2 is left to HTTP/1.1 to refuse.
 */
export function spokenBy(octets: Buffer, opaqueToo: boolean): Spoken | undefined {
  const text = octets.toString('latin1', 0, LONGEST_METHOD + 1);
  if (text.startsWith(PREFACE)) return 'h2';
  if (PREFACE.startsWith(text)) return undefined;
  if (!opaqueToo) return 'h1';
  for (const method of METHODS) {
    if (text.startsWith(method)) return 'h1';
    if (method.startsWith(text)) return undefined;
  }
  return firstLine(octets);
}

/** A request line of a method that is not known: a token, a target, a version (RFC 9112 section 3). */
function firstLine(octets: Buffer): Spoken | undefined {
  let at = 0;
  for (; at < octets.length && octets[at] !== SP; at++)
    if (!isToken[octets[at]!] || at === LONGEST_METHOD) return 'opaque';
  for (; at < octets.length && at < LONGEST_LINE; at++) {
    const octet = octets[at]!;
    if (octet === SLASH && at >= 6 && octets.compare(VERSION, 0, VERSION.length, at - 5, at + 1) === 0) return 'h1';
    if (octet === LF || octet >= 0x7f || (octet < SP && octet !== CR && octet !== HTAB)) return 'opaque';
  }
  return at === LONGEST_LINE ? 'opaque' : undefined;
}
