import { deepStrictEqual, ok } from 'node:assert/strict';
import type { Random } from '../../lib/random.ts';
import { ChunkedDecoder } from '../../sidecar/http/h1/chunked.ts';
import { readRequest } from '../../sidecar/http/h1/request.ts';
import { RequestHeads } from '../../sidecar/http/h1/request-heads.ts';
import { readUpgrade } from '../../sidecar/http/h1/tunnel.ts';
import { Head, INCOMPLETE, INVALID } from '../../sidecar/http/message/head.ts';
import { RequestInfo } from '../../sidecar/http/message/request.ts';
import { TargetReader } from '../../sidecar/http/message/target.ts';
import { cut, mutate } from './mutate.ts';

export const requestSeeds = [
  'GET /a/b?c=d HTTP/1.1\r\nHost: web\r\nAccept: */*\r\nX-Request-Id: 1\r\n\r\n',
  '\r\nGET http://web.mesh:80/ HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, x-a\r\nX-A: b\r\n\r\nGET / HTTP/1.1\r\n',
  'POST /pay HTTP/1.1\r\nHost: payments\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello',
  'PUT /%2e%2e/x;y HTTP/1.1\r\nhost: [::1]:8080\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\nT: u\r\n\r\nGET /',
  'POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n000\r\n\r\n',
  'GET /ws HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /',
  'OPTIONS * HTTP/1.0\r\nConnection: close\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n',
];
export const requestWords = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    ':',
    '\r\n\r\n',
    '\r\n ',
    ' :',
    '%00',
    '%2f',
    '//',
    '/../',
    '\\',
    '#',
    '?',
    '@',
  ],
  ...['Host: other\r\n', 'Content-Length: 5\r\n', 'Content-Length: +5\r\n', 'Transfer-Encoding: chunked\r\n'],
  ...['Transfer-Encoding: gzip, chunked\r\n', 'Transfer_Encoding: chunked\r\n', 'Connection: host, content-length\r\n'],
  ...[
    'Upgrade: h2c\r\n',
    'Upgrade: websocket\r\n',
    'Connection: upgrade\r\n',
    ', upgrade',
    ', h2c',
    'HTTP/1.0',
    'GET',
    '==',
  ],
  ...['HTTP/1.1', 'HTTP/2.0', 'HTTP/1.10', 'http://x/', '0', 'fffffffffffffffff', ';', '=', '"', 'é', '\x7f', '\x80'],
];

/** What a reader of RFC 9112 would let pass, written down in another way. */
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const wellFormed = new RegExp(
  `^(?:\\r\\n)?${token} [\\x21-\\x7e]+ HTTP/1\\.[01]\\r\\n(?:${token}:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*\\r\\n$`,
);

export interface Read {
  readonly head: readonly string[];
  readonly content: string;
  readonly rest: string;
}

/** The first request of the pieces; undefined when it is refused or not complete. */
export function read(pieces: readonly Buffer[]): Read | undefined {
  const heads = new Head();
  const finder = new RequestHeads(heads);
  const info = new RequestInfo();
  const target = { method: '', host: '', port: 0, path: '', query: '' };
  const chunks = new ChunkedDecoder();
  let at: 'head' | 'chunks' | 'rest' | 'refused' = 'head';
  let head: string[] = [];
  let content = '';
  let rest = '';
  const take = (octets: Buffer): void => {
    let p = 0;
    if (at === 'head') {
      p = finder.find(octets, 0, octets.length);
      if (p === INVALID) at = 'refused';
      else if (p !== INCOMPLETE) {
        const fine = readRequest(heads, info) && new TargetReader().read(heads, info, target) === undefined;
        readUpgrade(heads, info, new Set(['websocket']));
        at = !fine ? 'refused' : info.framing === 'streamed' ? 'chunks' : 'rest';
        head = [JSON.stringify(target), info.framing, `${info.length} ${info.keepAlive} ${info.nominated}`];
        for (let field = 0; field < heads.count; field++)
          head.push(heads.text(heads.nameStart(field), heads.nameEnd(field)), heads.value(field));
      } else {
        if (finder.whole !== undefined) take(finder.whole);
        return;
      }
    }
    if (at === 'chunks') {
      p = chunks.feed(octets, p, octets.length);
      content += octets.toString('latin1', chunks.dataStart, chunks.dataEnd);
      if (p < 0) at = 'refused';
      else if (chunks.done) at = 'rest';
    }
    if (at === 'rest') rest += octets.toString('latin1', p);
  };
  // Copies, because the decoder moves content together in the buffer that it is given.
  for (const piece of pieces) take(Buffer.from(piece));
  return (at as string) === 'rest' ? { head, content, rest } : undefined;
}

/** What a chunked body says, and what follows it. */
function readChunks(text: string): { readonly content: string; readonly rest: string } {
  const [line, digits] = /^([0-9a-fA-F]+)[^\r\n]*\r\n/.exec(text) ?? ['', ''];
  const size = Number.parseInt(digits!, 16);
  const behind = text.slice(line.length);
  if (size === 0) return { content: '', rest: behind.slice(/^(?:[^\r\n]+\r\n)*\r\n/.exec(behind)![0].length) };
  ok(behind.slice(size, size + 2) === '\r\n', 'a chunk ends with its line');
  const { content, rest } = readChunks(behind.slice(size + 2));
  return { content: behind.slice(0, size) + content, rest };
}

/** What RFC 6455 section 4.1 asks of a client, as far as a tunnel needs it, and no body. */
function isWebSocket(head: string): boolean {
  const all = (name: string): string[] =>
    [...head.matchAll(new RegExp(`^${name}:(.*)\\r$`, 'gim'))].map(([, it]) => it!.trim());
  const connection = all('connection').join().split(',');
  return (
    /^(?:\r\n)?GET .* HTTP\/1\.1\r\n/.test(head) &&
    connection.some((one) => one.trim().toLowerCase() === 'upgrade') &&
    all('upgrade').join('|').toLowerCase() === 'websocket' &&
    /^[0-9A-Za-z+/]{22}==$/.test(all('sec-websocket-key').join('|')) &&
    all('transfer-encoding').length === 0 &&
    all('content-length').every((length) => /^0+$/.test(length))
  );
}

/** A request is read alike however it comes, and what is let pass is what the grammar lets pass. */
export function fuzzRequest(random: Random): string {
  const text = mutate(random, requestSeeds, requestWords);
  const octets = Buffer.from(text, 'latin1');
  const whole = read([octets]);
  const why = JSON.stringify(text);
  deepStrictEqual(read(cut(random, octets)), whole, why);
  deepStrictEqual(read(cut({ ...random, below: () => 0 }, octets)), whole, why);
  if (whole === undefined) return 'refused';
  const raw = octets.toString('latin1');
  const head = raw.slice(0, raw.indexOf('\r\n\r\n', raw.startsWith('\r\n') ? 2 : 0) + 4);
  ok(wellFormed.test(head), why);
  const count = (name: string): number => head.match(new RegExp(`^${name}:`, 'gim'))?.length ?? 0;
  ok(count('host') <= 1 && count('content-length') <= 1 && count('transfer-encoding') <= 1, why);
  ok(count('content-length') === 0 || count('transfer-encoding') === 0, why);
  ok(!/(?:^|\/)\.\.?(?:\/|$)|\/\/|\\|%2e|\0/i.test((JSON.parse(whole.head[0]!) as { path: string }).path), why);
  if (whole.head[1] === 'tunnel') ok(isWebSocket(head), why);
  const { content, rest } = whole;
  const body = raw.slice(head.length);
  deepStrictEqual(
    { content, rest },
    count('transfer-encoding') > 0 ? readChunks(body) : { content: '', rest: body },
    why,
  );
  return whole.head[1] === 'tunnel' ? 'let pass as a tunnel' : 'let pass';
}
