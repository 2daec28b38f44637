import { type Head, STRIDE } from '../message/head.ts';
import { nameId } from '../message/names.ts';

/**
 * Puts the crumbs of a cookie together (RFC 9113 section 8.2.3): the next hop may speak HTTP/1.1, which has one Cookie.
 * The lines are written anew, without gaps, because runs of them are copied as they stand.
 */
export function joinCookies(head: Head): void {
  const lines: Buffer[] = [];
  const crumbs: Buffer[] = [];
  let at = 0;
  let kept = 0;
  for (let field = 0; field < head.count; field++) {
    if (head.ids[field] === nameId.cookie) {
      crumbs.push(head.buf.subarray(head.valueStart(field), head.valueEnd(field)), Buffer.from('; '));
      continue;
    }
    const start = head.nameStart(field);
    lines.push(head.buf.subarray(start, head.lineEnd(field)));
    for (let i = 0; i < STRIDE; i++) head.at[kept * STRIDE + i] = head.at[field * STRIDE + i]! + at - start;
    head.ids[kept] = head.ids[field]!;
    head.secret[kept] = head.secret[field]!;
    at = head.at[kept * STRIDE + 4]!;
    kept++;
  }
  const value = Buffer.concat(crumbs.slice(0, -1));
  const name = 'cookie';
  const valueStart = at + name.length + 2;
  const valueEnd = valueStart + value.length;
  head.at.set([at, at + name.length, valueStart, valueEnd, valueEnd + 2], kept * STRIDE);
  head.ids[kept] = nameId.cookie;
  head.secret[kept] = 0;
  head.count = kept + 1;
  head.buf = Buffer.concat([...lines, Buffer.from(`${name}: `), value, Buffer.from('\r\n')]);
  head.fieldsStart = 0;
  head.fieldsEnd = head.buf.length;
}
