/** What the fields of an HTTP/1.1 response say about its framing and its connection. RFC 9112 section 6.3. */
import type { Head } from '../message/head.ts';
import { isCanonicalLength, parseLength } from '../message/lengths.ts';
import { nameId } from '../message/names.ts';
import { equalsLower } from '../message/octets.ts';
import type { ResponseInfo } from '../message/response.ts';
import { readTokens } from './request.ts';

const known = nameId;

/** Fills `info` from a scanned head. `bodiless`: the request was HEAD. False: the response is refused. */
export function readResponse(head: Head, info: ResponseInfo, bodiless: boolean): boolean {
  info.reset();
  info.keepAlive = head.minor === 1;
  let lengths = 0;
  let codings = 0;
  for (let field = 0; field < head.count; field++) {
    const id = head.ids[field]!;
    if (id === 0) continue;
    if (id === known.connection) {
      if (!isKeepAlive(head, field) && !connection(head, info, field))
        return info.fail('Connection is not a list of tokens');
    } else if (id === known['content-length']) {
      info.length = parseLength(head.buf, head.valueStart(field), head.valueEnd(field));
      if (isCanonicalLength(head, field)) info.lengthField = field;
      if (++lengths > 1 || info.length < 0) return info.fail('Content-Length is not one plain number');
    } else if (id === known['transfer-encoding']) {
      if (++codings > 1 || !equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), 'chunked'))
        return info.fail('a Transfer-Encoding other than one chunked');
    } else if (id === known['keep-alive']) {
      const found = /timeout=([0-9]{1,6})/.exec(head.value(field));
      if (found !== null) info.keepAliveSeconds = Number(found[1]);
    }
  }
  if (codings > 0 && (lengths > 0 || head.minor === 0))
    return info.fail('Transfer-Encoding beside Content-Length, or in HTTP/1.0');
  if (info.close) info.keepAlive = false;
  if (lengths > 0) info.statedLength = info.length;
  if (bodiless || head.status < 200 || head.status === 204 || head.status === 304) return true;
  info.framing = codings > 0 ? 'streamed' : lengths === 0 ? 'until-close' : info.length > 0 ? 'length' : 'none';
  return true;
}

/** What most servers say, and what changes nothing in HTTP/1.1. */
const isKeepAlive = (head: Head, field: number): boolean =>
  head.minor === 1 && equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), 'keep-alive');

function connection(head: Head, info: ResponseInfo, field: number): boolean {
  return readTokens(head.buf, head.valueStart(field), head.valueEnd(field), (start, end) => {
    if (equalsLower(head.buf, start, end, 'close')) info.close = true;
    else if (equalsLower(head.buf, start, end, 'keep-alive')) info.keepAlive = true;
    else {
      info.nominated ??= [];
      info.nominated.push(head.text(start, end).toLowerCase());
    }
  });
}
