import { deepStrictEqual, ok } from 'node:assert/strict';
import type { Random } from '../../lib/random.ts';
import { Partial } from '../../sidecar/http/h1/partial.ts';
import { readResponse } from '../../sidecar/http/h1/response.ts';
import { scanResponse } from '../../sidecar/http/h1/scan.ts';
import { Head, INCOMPLETE, INVALID } from '../../sidecar/http/message/head.ts';
import { ResponseInfo } from '../../sidecar/http/message/response.ts';
import { cut, mutate } from './mutate.ts';

const seeds = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n',
  'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n',
  'HTTP/1.0 204 \r\nConnection: close, x-a\r\nX-A: b\r\n\r\n',
  'HTTP/1.1 103\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
];
const words = [
  ...['\r\n', '\n', '\r', '\0', ' ', '\t', ':', '\r\n\r\n', '\r\n ', ' :', '1', '000', '99', '\x7f', '\xe9'],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: -1\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: gzip\r\n',
  ],
  ...['HTTP/1.1', 'HTTP/2', 'Connection: close\r\n', 'weft-error: NO_ROUTE\r\n', 'Set-Cookie: a\r\n'],
];

/** What the first head of the pieces says; undefined when it is refused or not complete. */
function read(pieces: readonly Buffer[], bodiless: boolean): readonly unknown[] | undefined {
  const head = new Head();
  const partial = new Partial();
  let result = INCOMPLETE;
  for (const piece of pieces) {
    let octets = piece;
    if (!partial.empty) {
      partial.append(piece, 0, piece.length);
      const look = partial.look();
      if (look === 'invalid') return undefined;
      if (look === 'more') continue;
      octets = partial.buf.subarray(0, partial.length);
    }
    result = scanResponse(head, octets, 0, octets.length);
    if (result !== INCOMPLETE) break;
    partial.append(octets, 0, octets.length);
    if (partial.look() === 'invalid') return undefined;
  }
  if (result === INCOMPLETE || result === INVALID) return undefined;
  const info = new ResponseInfo();
  if (!readResponse(head, info, bodiless)) return undefined;
  const fields = Array.from({ length: head.count }, (_, i) => head.text(head.nameStart(i), head.lineEnd(i)));
  return [
    result,
    head.status,
    info.framing,
    info.length,
    info.keepAlive,
    info.keepAliveSeconds,
    info.nominated,
    fields,
  ];
}

/** A head of a response is read alike however it comes; what is let pass has one framing and no odd octets. */
export function fuzzResponse(random: Random): string {
  const text = mutate(random, seeds, words);
  const octets = Buffer.from(text, 'latin1');
  const bodiless = random.below(4) === 0;
  const whole = read([octets], bodiless);
  const why = JSON.stringify(text);
  deepStrictEqual(read(cut(random, octets), bodiless), whole, why);
  deepStrictEqual(
    read(
      [...octets].map((octet) => Buffer.from([octet])),
      bodiless,
    ),
    whole,
    why,
  );
  if (whole === undefined) return 'refused';
  const head = octets.toString('latin1', 0, whole[0] as number);
  ok(/^HTTP\/1\.[01] [1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/.test(head), why);
  ok(!/[^\r]\n|\r[^\n]|\0|\n[ \t:]/.test(head), why);
  const count = (name: string): number => head.match(new RegExp(`^${name}:`, 'gim'))?.length ?? 0;
  ok(count('content-length') + count('transfer-encoding') <= 1, why);
  return 'let pass';
}
