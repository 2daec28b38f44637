import type { ErrorCode } from '../../../lib/errors.ts';
import { type Head, MAX_METHOD } from './head.ts';
import { type Authority, parseAuthority } from './host.ts';
import { canonicalPath } from './path.ts';
import type { RequestInfo } from './request.ts';

/** What a request is for: canonical host and path, from request target and Host. RFC 9112 section 3. */
export interface Target {
  method: string;
  host: string;
  port: number;
  path: string;
  query: string;
}

export interface TargetProblem {
  readonly code: ErrorCode;
  readonly text: string;
}

const bad = (text: string, code: ErrorCode = 'BAD_REQUEST'): TargetProblem => ({ code, text });
const noHost: Authority = { host: '', port: 0 };

const methods = new Map<number, string>(
  ['GET', 'PUT', 'POST', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'].map((name) => [
    name.length * 256 + name.charCodeAt(0),
    name,
  ]),
);

/** Reads the method without making a string for the common ones. Methods are case-sensitive (RFC 9110 section 9.1). */
function methodOf(head: Head): string {
  const length = head.methodEnd - head.methodStart;
  const guess = methods.get(length * 256 + head.buf[head.methodStart]!);
  if (guess !== undefined) {
    let i = 1;
    while (i < length && head.buf[head.methodStart + i] === guess.charCodeAt(i)) i++;
    if (i === length) return guess;
  }
  return head.text(head.methodStart, head.methodEnd);
}

/** Remembers the host of the request before on the same connection: it is nearly always the same. */
export class TargetReader {
  #seen = Buffer.alloc(0);
  #authority: Authority = noHost;

  /** Fills `target`; gives what is wrong, if anything is. */
  read(head: Head, info: RequestInfo, target: Target): TargetProblem | undefined {
    // HTTP/1.1 has seen to both while the head was still coming.
    if (head.targetEnd - head.targetStart > head.maxTarget) return bad('the target is too long', 'TARGET_TOO_LONG');
    if (head.methodEnd - head.methodStart > MAX_METHOD) return bad('the method is too long');
    // An extended CONNECT (RFC 8441) asks for what a GET with Upgrade does in HTTP/1.1, and is judged as one.
    target.method = info.upgrade === '' ? methodOf(head) : 'GET';
    if (target.method === 'CONNECT') return bad('CONNECT is not supported', 'METHOD_NOT_SUPPORTED');
    const host = info.host < 0 ? noHost : this.#authorityAt(head, head.valueStart(info.host), head.valueEnd(info.host));
    if (host === undefined) return bad('Host is not host[:port]');
    target.host = host.host;
    target.port = host.port;
    const query = head.targetEnd - head.queryStart;
    target.query = query > 1 ? head.text(head.queryStart + 1, head.targetEnd) : '';
    if (head.buf[head.targetStart] === 0x2f) return this.#path(head, target, head.targetStart);
    return this.#otherForm(head, info, target);
  }

  #authorityAt(head: Head, start: number, end: number): Authority | undefined {
    if (end - start === this.#seen.length && end > start && this.#seen.compare(head.buf, start, end) === 0)
      return this.#authority;
    const read = parseAuthority(head.text(start, end));
    if (read === undefined) return undefined;
    this.#seen = Buffer.from(head.buf.subarray(start, end));
    this.#authority = read;
    return read;
  }

  #path(head: Head, target: Target, start: number): TargetProblem | undefined {
    const raw = start >= head.queryStart ? '/' : head.text(start, head.queryStart);
    if (!head.pathSuspect) {
      target.path = raw;
      return undefined;
    }
    const canonical = canonicalPath(raw);
    if ('refused' in canonical) return bad(`the path has ${canonical.refused}`);
    target.path = canonical.path;
    return undefined;
  }

  /** absolute-form and asterisk-form. */
  #otherForm(head: Head, info: RequestInfo, target: Target): TargetProblem | undefined {
    const text = head.text(head.targetStart, head.targetEnd);
    if (text === '*') {
      if (target.method !== 'OPTIONS') return bad('only OPTIONS has the target *');
      target.path = '*';
      return undefined;
    }
    const absolute = /^http:\/\/([^/?]*)/i.exec(text);
    if (absolute === null) return bad('the target is neither a path nor an http URI');
    // RFC 9112 section 3.2.2: the URI speaks for the host, whatever Host says.
    const authority = parseAuthority(absolute[1]!);
    if (authority === undefined) return bad('the host of the URI is not host[:port]');
    info.absolute = true;
    target.host = authority.host;
    target.port = authority.port;
    const pathStart = head.targetStart + absolute[0].length;
    if (target.method === 'OPTIONS' && pathStart === head.targetEnd) {
      target.path = '*'; // RFC 9112 section 3.2.4
      return undefined;
    }
    // The scan looked at the whole target, where `//` of the scheme stands out.
    head.pathSuspect = true;
    return this.#path(head, target, pathStart);
  }
}
