/** What a decoded request head says. RFC 9113 section 8.3, RFC 8441. */
import type { Head } from '../message/head.ts';
import { isCanonicalLength, parseLength } from '../message/lengths.ts';
import { LOOKALIKE, nameId } from '../message/names.ts';
import { DOT, equalsLower, FORBIDDEN, isToken, PLAIN, QUERY, SLASH, targetClass } from '../message/octets.ts';
import type { RequestInfo } from '../message/request.ts';
import { joinCookies } from './cookies.ts';

const known = nameId;

/** Of one connection only: no place in HTTP/2. RFC 9113 section 8.2.2. */
export const connectionSpecific = new Uint8Array(LOOKALIKE + 1);
for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'] as const)
  connectionSpecific[known[name]] = 1;

/**
 * Fills `info` and what the head says of its target. `last`: no body follows. `secure`: over TLS. False: the request is
 * malformed (RFC 9113 section 8.1.1), `info.problemText` says how.
 */
export function readRequest(head: Head, info: RequestInfo, last: boolean, secure: boolean): boolean {
  info.reset();
  let lengths = 0;
  let cookies = 0;
  let fields = false;
  for (let field = 0; field < head.count; field++) {
    const id = head.ids[field]!;
    if (head.buf[head.nameStart(field)] === 0x3a) {
      if (fields) return malformed(info, 'a pseudo-header field behind others');
      if (id === known[':status'] || info.at[id]! >= 0)
        return malformed(info, 'a pseudo-header field that does not belong here, or twice');
      info.at[id] = field;
      continue;
    }
    fields = true;
    if (id === 0) continue;
    if (info.at[id]! < 0) info.at[id] = field;
    else if (id === known.host || id === known.authorization)
      return malformed(info, 'a field that there can be one of, twice');
    if (connectionSpecific[id] === 1) return malformed(info, 'a field that belongs to a connection of HTTP/1.1');
    if (id === known['content-length']) {
      info.length = parseLength(head.buf, head.valueStart(field), head.valueEnd(field));
      if (isCanonicalLength(head, field)) info.lengthField = field;
      if (++lengths > 1 || info.length < 0) return malformed(info, 'content-length is not one plain number');
    } else if (id === known.te) {
      if (!equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), 'trailers'))
        return malformed(info, 'te says other than trailers');
    } else if (id === known.cookie) cookies++;
    else if (id === known.expect) info.expectContinue = !last;
  }
  if (cookies > 1) {
    joinCookies(head);
    return readRequest(head, info, last, secure);
  }
  if (last && info.length > 0) return malformed(info, 'content-length announces a body, and none follows');
  if (!readTarget(head, info, secure) || !readHost(head, info)) return false;
  info.hasLength = lengths > 0;
  info.framing = info.upgrade !== '' ? 'tunnel' : last ? 'none' : lengths > 0 ? 'length' : 'streamed';
  return true;
}

/** True for fields that may stand behind a body: no pseudo-header fields, nothing of a connection. RFC 9113 section 8.1. */
export function areTrailers(head: Head): boolean {
  for (let field = 0; field < head.count; field++)
    if (head.buf[head.nameStart(field)] === 0x3a || connectionSpecific[head.ids[field]!] === 1) return false;
  return true;
}

function readTarget(head: Head, info: RequestInfo, secure: boolean): boolean {
  const method = info.at[known[':method']]!;
  if (method < 0) return malformed(info, 'no :method');
  head.methodStart = head.valueStart(method);
  head.methodEnd = head.valueEnd(method);
  if (!isWhole(head, head.methodStart, head.methodEnd)) return malformed(info, ':method is not a token');
  const protocol = info.at[known[':protocol']]!;
  const connect = equalsLower(head.buf, head.methodStart, head.methodEnd, 'connect');
  if (protocol >= 0) {
    if (!connect || !isWhole(head, head.valueStart(protocol), head.valueEnd(protocol)))
      return malformed(info, ':protocol without CONNECT, or not a token');
    info.upgrade = head.value(protocol).toLowerCase();
  }
  const scheme = info.at[known[':scheme']]!;
  const path = info.at[known[':path']]!;
  // RFC 9113 section 8.5: a plain CONNECT has an authority and nothing else. It is refused later, by its method.
  if (connect && protocol < 0) {
    if (scheme >= 0 || path >= 0) return malformed(info, 'CONNECT with a scheme or a path');
    head.targetStart = head.methodStart;
    head.targetEnd = head.methodStart;
    head.queryStart = head.methodStart;
    return true;
  }
  if (scheme < 0 || path < 0) return malformed(info, 'no :scheme, or no :path');
  const start = head.valueStart(scheme);
  const end = head.valueEnd(scheme);
  // Over TLS nothing else can be meant; in plain text somebody before us may have ended TLS.
  if (!equalsLower(head.buf, start, end, 'https') && (secure || !equalsLower(head.buf, start, end, 'http')))
    return malformed(info, `:scheme is not ${secure ? 'https' : 'http or https'}`);
  return readPath(head, info, head.valueStart(path), head.valueEnd(path));
}

/** As the scan of HTTP/1.1 does: finds the query, and whether the path needs a closer look. */
function readPath(head: Head, info: RequestInfo, start: number, end: number): boolean {
  const { buf } = head;
  head.targetStart = start;
  head.targetEnd = end;
  head.queryStart = end;
  head.pathSuspect = false;
  if (buf[start] !== 0x2f && !(end === start + 1 && buf[start] === 0x2a))
    return malformed(info, ':path is neither a path nor *');
  let before = PLAIN;
  for (let p = start; p < end; p++) {
    const kind = targetClass[buf[p]!]!;
    if (kind === FORBIDDEN) return malformed(info, ':path has an octet that is not allowed');
    if (kind !== PLAIN && head.queryStart === end) {
      if (kind === QUERY) head.queryStart = p;
      else if (kind !== DOT ? kind !== SLASH || before === SLASH : before === SLASH) head.pathSuspect = true;
    }
    before = kind;
  }
  return true;
}

/** :authority speaks for the host; RFC 9113 section 8.3.1 wants Host, if there is one, to say the same. */
function readHost(head: Head, info: RequestInfo): boolean {
  const host = info.at[known.host]!;
  const authority = info.at[known[':authority']]!;
  if (authority < 0) {
    info.host = host;
    return host >= 0 || malformed(info, 'neither :authority nor host');
  }
  info.host = authority;
  info.absolute = true;
  if (host < 0 || sameValue(head, host, authority)) return true;
  return malformed(info, ':authority and host differ');
}

const sameValue = (head: Head, a: number, b: number): boolean =>
  head.buf.compare(head.buf, head.valueStart(a), head.valueEnd(a), head.valueStart(b), head.valueEnd(b)) === 0;

function isWhole(head: Head, start: number, end: number): boolean {
  for (let p = start; p < end; p++) if (isToken[head.buf[p]!] !== 1) return false;
  return end > start;
}

function malformed(info: RequestInfo, text: string): false {
  return info.fail('BAD_REQUEST', text);
}
