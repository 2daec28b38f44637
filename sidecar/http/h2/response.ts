/** What a decoded response head says. RFC 9113 section 8.3.2. */
import type { Head } from '../message/head.ts';
import { isCanonicalLength, parseLength } from '../message/lengths.ts';
import { nameId } from '../message/names.ts';
import type { ResponseInfo } from '../message/response.ts';
import { connectionSpecific } from './request.ts';

const known = nameId;

/**
 * Fills `info` and the head's status. `bodiless`: the request was HEAD. `last`: nothing follows. False: malformed,
 * `info.problemText` says how.
 */
export function readResponse(head: Head, info: ResponseInfo, bodiless: boolean, last: boolean): boolean {
  info.reset();
  head.status = head.count > 0 && head.ids[0] === known[':status'] ? statusOf(head) : 0;
  if (head.status === 0) return info.fail('no :status of three digits');
  head.lineIsClean = false;
  head.reasonStart = 0;
  head.reasonEnd = 0;
  let lengths = 0;
  for (let field = 1; field < head.count; field++) {
    const id = head.ids[field]!;
    if (head.buf[head.nameStart(field)] === 0x3a) return info.fail('a second pseudo-header field');
    if (id === 0) continue;
    if (connectionSpecific[id] === 1) return info.fail('a field that belongs to a connection of HTTP/1.1');
    if (id !== known['content-length']) continue;
    info.length = parseLength(head.buf, head.valueStart(field), head.valueEnd(field));
    if (isCanonicalLength(head, field)) info.lengthField = field;
    if (++lengths > 1 || info.length < 0) return info.fail('content-length is not one plain number');
  }
  if (lengths > 0) info.statedLength = info.length;
  if (bodiless || head.status < 200 || head.status === 204 || head.status === 304) return true;
  if (last) return info.length === 0 || info.fail('content-length announces a body, and none follows');
  info.framing = lengths > 0 ? 'length' : 'streamed';
  return true;
}

function statusOf(head: Head): number {
  const start = head.valueStart(0);
  if (head.valueEnd(0) - start !== 3) return 0;
  const status = parseLength(head.buf, start, start + 3);
  return status >= 100 ? status : 0;
}
