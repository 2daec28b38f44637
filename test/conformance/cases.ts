import { MAX_FIELDS, MAX_HEAD, MAX_METHOD, MAX_TARGET } from '../../sidecar/http/message/head.ts';

/** Octets, as Latin-1 text, and what must become of them. */
export interface Case {
  readonly name: string;
  readonly octets: string;
  /** Of the first answer. */
  readonly status: number;
  /** Complete requests that the service gets. */
  readonly requests: number;
  /** The connection ends after the answers. */
  readonly closes: boolean;
  /** What the service gets must match, head and content of the first request. */
  readonly gets?: RegExp;
  /** What the service gets must not match anywhere. */
  readonly never?: RegExp;
}

const host = 'Host: web\r\n';
const get = (fields: string, target = '/a'): string => `GET ${target} HTTP/1.1\r\n${host}${fields}\r\n`;
const post = (fields: string, body: string): string => `POST /a HTTP/1.1\r\n${host}${fields}\r\n${body}`;
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n';

type More = Partial<Omit<Case, 'name' | 'octets'>>;
const refused = (name: string, octets: string, more: More = {}): Case => ({
  name,
  octets,
  status: 400,
  requests: 0,
  closes: true,
  ...more,
});
const taken = (name: string, octets: string, more: More = {}): Case => ({
  name,
  octets,
  status: 200,
  requests: 1,
  closes: false,
  ...more,
});

/** One framing: whatever could be read in two ways is refused. RFC 9112 section 6. */
const framing: readonly Case[] = [
  ...[
    ['chunked beside a length', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'],
    ['a length beside chunked', 'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n'],
    ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
    ['chunked twice in one field', 'Transfer-Encoding: chunked, chunked\r\n'],
    ['another coding', 'Transfer-Encoding: gzip\r\n'],
    ['another coding before chunked', 'Transfer-Encoding: gzip, chunked\r\n'],
    ['identity', 'Transfer-Encoding: identity\r\n'],
    ['a coding that only looks like chunked', 'Transfer-Encoding: xchunked\r\n'],
    ['chunked with a parameter', 'Transfer-Encoding: chunked;q=1\r\n'],
    ['chunked in quotes', 'Transfer-Encoding: "chunked"\r\n'],
    ['chunked with a comma', 'Transfer-Encoding: chunked,\r\n'],
    ['chunked with a vertical tab', 'Transfer-Encoding: \x0bchunked\r\n'],
    ['no coding', 'Transfer-Encoding:\r\n'],
    ['a space before the colon', 'Transfer-Encoding : chunked\r\n'],
    ['two lengths that differ', 'Content-Length: 4\r\nContent-Length: 5\r\n'],
    ['two lengths that agree', 'Content-Length: 4\r\nContent-Length: 4\r\n'],
    ['a list of lengths', 'Content-Length: 4, 4\r\n'],
    ['a length with a sign', 'Content-Length: +4\r\n'],
    ['a negative length', 'Content-Length: -4\r\n'],
    ['a length in hexadecimal', 'Content-Length: 0x4\r\n'],
    ['a length with an exponent', 'Content-Length: 4e0\r\n'],
    ['a length with a fraction', 'Content-Length: 4.0\r\n'],
    ['a length with a space in it', 'Content-Length: 4 0\r\n'],
    ['an empty length', 'Content-Length:\r\n'],
    ['a length beyond all numbers', 'Content-Length: 18446744073709551620\r\n'],
  ].map(([name, fields]) => refused(name!, post(fields!, `0\r\n\r\n${smuggled}`), { never: /smuggled|encoding/i })),
  refused('chunked in HTTP/1.0', `POST /a HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  taken('a length with zeros before it', post('Content-Length: 0004\r\n', 'abcd'), {
    gets: /content-length: 4\r\n.*abcd$/is,
  }),
  taken('a length with white space around it', post('Content-Length:\t 4 \t\r\n', 'abcd'), {
    gets: /content-length: 4\r\n/i,
  }),
  taken('a body of a GET', `${get('Content-Length: 4\r\n')}abcd`, { gets: /^GET .*abcd$/s }),
  taken('a length that hides behind _', post('Content_Length: 4\r\nContent-Length: 2\r\n', 'ab'), {
    never: /content_length/i,
  }),
  taken('chunked that hides behind _', post('Transfer_Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'), {
    never: /transfer/i,
  }),
  taken('a length that Connection names', post('Connection: content-length\r\nContent-Length: 4\r\n', 'abcd'), {
    gets: /abcd$/,
  }),
  taken('a request behind a body', post('Content-Length: 4\r\n', 'abcd') + get(''), { requests: 2 }),
  taken('a request in a body', post(`Content-Length: ${smuggled.length}\r\n`, smuggled)),
];

/** Chunks. RFC 9112 section 7.1. */
const chunks: readonly Case[] = [
  taken(
    'chunks with extensions and trailers',
    post('Transfer-Encoding: chunked\r\n', '4;a="b"\r\nabcd\r\n0\r\nT: u\r\n\r\n'),
    {
      gets: /transfer-encoding: chunked\r\n.*abcd$/is,
      never: /\bT: u|a="b"/,
    },
  ),
  taken('chunked in capitals', post('TRANSFER-ENCODING: CHUNKED\r\n', '4\r\nabcd\r\n0\r\n\r\n'), { gets: /abcd$/ }),
  taken('a size with zeros and capitals', post('Transfer-Encoding: chunked\r\n', '00A\r\n0123456789\r\n00\r\n\r\n'), {
    gets: /0123456789$/,
  }),
  ...[
    ['a chunk size with 0x', '0x4\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk size with a sign', '+4\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk size that is none', 'g\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk size beyond all numbers', '10000000000000004\r\nabcd\r\n0\r\n\r\n'],
    ['a space before a chunk size', ' 4\r\nabcd\r\n0\r\n\r\n'],
    ['a space behind a chunk size', '4 \r\nabcd\r\n0\r\n\r\n'],
    ['LF alone behind a chunk size', '4\nabcd\r\n0\r\n\r\n'],
    ['LF in an extension', '4;\nx\r\nabcd\r\n0\r\n\r\n'],
    ['CR in an extension', '4;a\rb\r\nabcd\r\n0\r\n\r\n'],
    ['more octets than a chunk has', '4\r\nabcde\r\n0\r\n\r\n'],
    ['LF alone behind a chunk', '4\r\nabcd\n0\r\n\r\n'],
    ['LF alone behind the last chunk', '4\r\nabcd\r\n0\n\n'],
    ['a trailer without a colon', '4\r\nabcd\r\n0\r\nbad\r\n\r\n'],
    ['a trailer with a space before its colon', '4\r\nabcd\r\n0\r\nA : b\r\n\r\n'],
    ['an extension without end', `4;${'a'.repeat(6000)}\r\nabcd\r\n0\r\n\r\n`],
  ].map(([name, body]) =>
    refused(name!, post('Transfer-Encoding: chunked\r\n', body! + smuggled), { never: /smuggled/ }),
  ),
];

/** Lines end with CR LF, names are tokens, nothing is folded. RFC 9112 sections 2.2 and 5. */
const lines: readonly Case[] = [
  refused('LF alone behind the start line', `GET /a HTTP/1.1\n${host}\r\n`),
  refused('LF alone behind a field', `GET /a HTTP/1.1\r\nHost: web\n\r\n`),
  refused('CR alone in a field', get('A: b\rX: c\r\n')),
  refused('NUL in a value', get('A: b\0c\r\n')),
  refused('a control octet in a value', get('A: \x07\r\n')),
  refused('a folded field', get('A: b\r\n c\r\n')),
  refused('white space before the first field', `GET /a HTTP/1.1\r\n ${host}\r\n`),
  refused('a space in a name', get('A B: c\r\n')),
  refused('an empty name', get(': c\r\n')),
  refused('a line without a colon', get('abc\r\n')),
  refused('two empty lines before the request', `\r\n\r\n${get('')}`),
  refused('a space before the request', ` ${get('')}`),
  taken('an empty line before the request', `\r\n${get('')}`),
  taken('octets above 127 in a value', get('A: \xe9\xff\r\n'), { gets: /A: \xe9\xff\r\n/ }),
  taken('white space around a value', get('A: \t b c\t \r\n'), { gets: /A: b c\r\n/ }),
  taken('an empty value', get('A:\r\n'), { gets: /A: ?\r\n/ }),
];

/** The request line and the host. RFC 9112 section 3, RFC 9110 section 7.2. */
const targets: readonly Case[] = [
  refused('no Host', 'GET /a HTTP/1.1\r\n\r\n'),
  refused('an empty Host', 'GET /a HTTP/1.1\r\nHost:\r\n\r\n'),
  refused('two Hosts', get(host)),
  refused('a list of hosts', 'GET /a HTTP/1.1\r\nHost: web, other\r\n\r\n'),
  refused('a user in Host', 'GET /a HTTP/1.1\r\nHost: a@web\r\n\r\n'),
  refused('a path in Host', 'GET /a HTTP/1.1\r\nHost: web/a\r\n\r\n'),
  refused('a port that is none', 'GET /a HTTP/1.1\r\nHost: web:x\r\n\r\n'),
  refused('a fragment', get('', '/a#b')),
  refused('a space in the target', get('', '/a b')),
  refused('an octet above 127 in the target', get('', '/\xe9')),
  refused('a target without a slash', get('', 'a')),
  refused('* with GET', get('', '*')),
  refused('an escaped NUL', get('', '/a%00')),
  refused('an escaped slash', get('', '/a%2f..%2fb')),
  refused('a back-slash', get('', '/a\\b')),
  refused('an escape that is none', get('', '/a%zz')),
  refused('..;', get('', '/a/..;/b')),
  refused('another scheme', get('', 'ftp://web/a')),
  refused('CONNECT', 'CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n', { status: 501 }),
  refused('HTTP/2', `GET /a HTTP/2.0\r\n${host}\r\n`, { status: 505 }),
  refused('HTTP/1.2', `GET /a HTTP/1.2\r\n${host}\r\n`, { status: 505 }),
  refused('no version', `GET /a\r\n${host}\r\n`),
  refused('a method that is no token', `G@T /a HTTP/1.1\r\n${host}\r\n`),
  taken('a method of its own', `MAKE-IT /a HTTP/1.1\r\n${host}\r\n`, { gets: /^MAKE-IT \/a / }),
  taken('dots and slashes', get('', '/x//./y/../a?b=/../c'), { gets: /^GET \/x\/a\?b=\/\.\.\/c / }),
  taken('escaped dots', get('', '/x/%2e%2E/a'), { gets: /^GET \/a / }),
  taken('the absolute form', `GET http://web/a?b HTTP/1.1\r\nHost: other\r\n\r\n`, {
    gets: /^GET \/a\?b .*\nhost: web\r\n/s,
    never: /other/,
  }),
  taken('OPTIONS *', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, { gets: /^OPTIONS \* / }),
  taken('HTTP/1.0', `GET /a HTTP/1.0\r\n${host}\r\n`, { closes: true, gets: /^GET \/a HTTP\/1\.1\r\n/ }),
];

/** What belongs to one connection, and who somebody is. RFC 9110 section 7.6.1. */
const hops: readonly Case[] = [
  refused('a Connection that is no list', get('Connection: "close"\r\n')),
  refused('two Authorizations', get('Authorization: a\r\nAuthorization: b\r\n')),
  refused('an expectation that nobody knows', get('Expect: more\r\n'), { status: 417 }),
  taken(
    'fields of the connection',
    get('Connection: x-a, keep-alive\r\nX-A: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n'),
    {
      never: /connection|x-a|keep-alive|\nte:|upgrade|settings/i,
    },
  ),
  taken('Connection: close', get('Connection: close\r\n'), { closes: true, never: /connection/i }),
  taken('a Host that Connection names', get('Connection: host\r\n'), { gets: /\r\nhost: web\r\n/i }),
  taken(
    'names of the mesh, in many spellings',
    get('X-Weft-A: 1\r\nx_weft_b: 2\r\nX-Forwarded-Client-Cert: 3\r\nx_forwarded_client_cert: 4\r\nWeft-Error: 5\r\n'),
    {
      never: /weft|client.cert/i,
    },
  ),
];

/** What is too much. */
const limits: readonly Case[] = [
  refused('too many fields', get('A: b\r\n'.repeat(MAX_FIELDS)), { status: 431 }),
  refused('a head that is too large', get(`A: ${'x'.repeat(MAX_HEAD)}\r\n`), { status: 431 }),
  refused('a target that is too long', get('', `/${'x'.repeat(MAX_TARGET)}`), { status: 414 }),
  refused('a method that is too long', `${'M'.repeat(MAX_METHOD + 1)} /a HTTP/1.1\r\n${host}\r\n`),
  taken('as many fields as there may be', get('A: b\r\n'.repeat(MAX_FIELDS - 1))),
  taken('a target as long as it may be', get('', `/${'x'.repeat(MAX_TARGET - 1)}`)),
];

export const cases: readonly Case[] = [...framing, ...chunks, ...lines, ...targets, ...hops, ...limits];
