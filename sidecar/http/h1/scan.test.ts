import { Head, INCOMPLETE, INVALID, MAX_FIELDS, MAX_HEAD, MAX_TARGET } from '../message/head.ts';
import { scanRequest, scanResponse } from './scan.ts';

const scans = { scanRequest, scanResponse };

import { Partial } from '../h1/partial.ts';
import { parseChunkSize, parseLength } from '../message/lengths.ts';

const octets = (text: string): Buffer => Buffer.from(text, 'latin1');
type Kind = 'scanRequest' | 'scanResponse';

/** Everything that a scanned head says. */
function contents(head: Head): object {
  const fields = Array.from({ length: head.count }, (_, field) => [
    head.text(head.nameStart(field), head.nameEnd(field)),
    head.value(field),
    head.ids[field],
    head.isClean(field),
    head.text(head.nameStart(field), head.lineEnd(field)),
  ]);
  return {
    method: head.text(head.methodStart, head.methodEnd),
    target: head.text(head.targetStart, head.targetEnd),
    query: head.text(head.queryStart, head.targetEnd),
    suspect: head.pathSuspect,
    minor: head.minor,
    status: head.status,
    reason: head.text(head.reasonStart, head.reasonEnd),
    fields,
    rest: head.text(head.fieldsStart, head.fieldsEnd),
  };
}

function scan(kind: Kind, text: string): { result: number; head: Head } {
  const head = new Head();
  return { result: scans[kind](head, octets(text), 0, text.length), head };
}

/** What becomes of a head that comes in two pieces, cut at `at`: as in the connections, through Partial. */
function scanCut(kind: Kind, text: string, at: number): { result: number; head: Head } {
  const head = new Head();
  const whole = octets(text);
  const first = scans[kind](head, whole, 0, at);
  if (first !== INCOMPLETE) return { result: first, head };
  const partial = new Partial();
  for (const [from, to] of [
    [0, at],
    [at, whole.length],
  ] as const) {
    partial.append(whole, from, to);
    const look = partial.look();
    if (look === 'invalid') return { result: INVALID, head };
    if (look === 'complete') return { result: scans[kind](head, partial.buf, 0, partial.length), head };
  }
  return { result: INCOMPLETE, head };
}

const request = (lines: string): string => `GET / HTTP/1.1\r\n${lines}\r\n`;

const goodRequests = [
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.0\r\nhost: a\r\n\r\n',
  "!#$%&'*+-.^_`|~09azAZ /x?y HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n",
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n',
  request('A:\r\nB: \r\nC:\t \r\nD: x\r\n'),
  request('A:  two  words \t\r\nB:x\r\nC:\tx\r\n'),
  request('a: \x80\xff\xe9 "quoted" (comment) ,;=:\r\n'),
  request('Host: a\r\nhOsT: b\r\ncontent_length: 5\r\nX-Weft-A: 1\r\n'),
  'GET /a/../b//c/%41;d\\ HTTP/1.1\r\n\r\n',
];

test.each(goodRequests)('a request head in order is taken, and is the same wherever it is cut: %j', (text) => {
  const { result, head } = scan('scanRequest', text);
  expect(result).toBe(text.length);
  for (let at = 0; at < text.length; at++) {
    expect(scan('scanRequest', text.slice(0, at)).result).toBe(INCOMPLETE);
    const cut = scanCut('scanRequest', text, at);
    expect(cut.result).toBe(text.length);
    expect(contents(cut.head)).toEqual(contents(head));
  }
});

const badRequests: [string, string, string?][] = [
  ['no method', ' / HTTP/1.1\r\n\r\n'],
  ['a method that is no token', 'GE(T / HTTP/1.1\r\n\r\n'],
  ['two spaces before the target', 'GET  / HTTP/1.1\r\n\r\n'],
  ['a tab before the target', 'GET\t/ HTTP/1.1\r\n\r\n'],
  ['two spaces before the version', 'GET /  HTTP/1.1\r\n\r\n'],
  ['a tab in the target', 'GET /\ta HTTP/1.1\r\n\r\n'],
  ['a fragment', 'GET /a#b HTTP/1.1\r\n\r\n'],
  ['an octet above 127 in the target', 'GET /\xe9 HTTP/1.1\r\n\r\n'],
  ['DEL in the target', 'GET /\x7f HTTP/1.1\r\n\r\n'],
  ['NUL in the target', 'GET /\0 HTTP/1.1\r\n\r\n'],
  ['no version', 'GET /\r\n\r\n'],
  ['a small-letter version', 'GET / http/1.1\r\n\r\n'],
  ['another protocol', 'GET / ICAP/1.0\r\n\r\n'],
  ['HTTP/0.9', 'GET / HTTP/0.9\r\n\r\n', 'VERSION_NOT_SUPPORTED'],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\n\r\n', 'VERSION_NOT_SUPPORTED'],
  ['HTTP/2.0', 'PRI * HTTP/2.0\r\n\r\n', 'VERSION_NOT_SUPPORTED'],
  ['HTTP/1.10', 'GET / HTTP/1.10\r\n\r\n'],
  ['a version without a dot', 'GET / HTTP/1x1\r\n\r\n'],
  ['a space after the version', 'GET / HTTP/1.1 \r\n\r\n'],
  ['LF alone after the version', 'GET / HTTP/1.1\n\r\n'],
  ['CR alone after the version', 'GET / HTTP/1.1\r\r\n\r\n'],
  ['a space before the first field', request(' a: b\r\n')],
  ['a space before the colon', request('a : b\r\n')],
  ['a tab before the colon', request('a\t: b\r\n')],
  ['no name', request(': b\r\n')],
  ['no colon', request('ab\r\n')],
  ['a name with an octet above 127', request('\xe9: b\r\n')],
  ['a name with a NUL', request('a\0b: c\r\n')],
  ['a name with a parenthesis', request('a(b): c\r\n')],
  ['a folded line', request('a: b\r\n c\r\n')],
  ['a folded line with a tab', request('a: b\r\n\tc\r\n')],
  ['NUL in a value', request('a: b\0c\r\n')],
  ['ESC in a value', request('a: \x1b[31m\r\n')],
  ['DEL in a value', request('a: \x7f\r\n')],
  ['CR alone in a value', request('a: b\rc: d\r\n')],
  ['LF alone after a value', request('a: b\nc: d\r\n')],
  ['LF alone at the end', 'GET / HTTP/1.1\r\na: b\r\n\n'],
  ['CR CR LF at the end', 'GET / HTTP/1.1\r\na: b\r\n\r\r\n'],
  ['more fields than the limit', request('a: b\r\n'.repeat(MAX_FIELDS + 1)), 'HEAD_TOO_LARGE'],
  ['a head beyond the limit', request(`a: ${'x'.repeat(MAX_HEAD)}\r\n`), 'HEAD_TOO_LARGE'],
  ['a name beyond the limit', request(`${'x'.repeat(MAX_HEAD)}: a\r\n`), 'HEAD_TOO_LARGE'],
  ['a target beyond the limit', `GET /${'x'.repeat(MAX_TARGET)} HTTP/1.1\r\n\r\n`, 'TARGET_TOO_LONG'],
  ['a method beyond the limit', `${'X'.repeat(MAX_TARGET)} / HTTP/1.1\r\n\r\n`],
];

test.each(badRequests)('a request head with %s is refused', (_, text: string, problem = 'BAD_REQUEST') => {
  const { result, head } = scan('scanRequest', text);
  expect([result, head.problem]).toEqual([INVALID, problem]);
  expect(head.problemText).not.toBe('');
  const step = text.length > 2000 ? 997 : 1;
  for (let at = 0; at < text.length; at += step) expect(scanCut('scanRequest', text, at).result).toBe(INVALID);
});

test('limits are met to the octet, whole and in pieces', () => {
  const filled = (length: number): string => {
    const head = 'GET / HTTP/1.1\r\na: \r\n\r\n';
    return head.replace('a: ', `a: ${'x'.repeat(length - head.length)}`);
  };
  const largest = Array.from({ length: 8 }, (_, i) => MAX_HEAD - 3 + i).filter(
    (length) => scan('scanRequest', filled(length)).result > 0,
  );
  expect(largest.at(-1)).toBe(MAX_HEAD);
  for (const length of [MAX_HEAD, MAX_HEAD + 1, MAX_HEAD + 2, MAX_HEAD + 3]) {
    const text = filled(length);
    const verdict = scan('scanRequest', text).result > 0;
    for (const at of [1, 20, length - 5, length - 4, length - 3, length - 2, length - 1])
      expect([length, at, scanCut('scanRequest', text, at).result > 0]).toEqual([length, at, verdict]);
  }
  const target = (length: number): string => `DELETE /${'x'.repeat(length - 1)} HTTP/1.1\r\n\r\n`;
  for (const [length, taken] of [
    [MAX_TARGET, true],
    [MAX_TARGET + 1, false],
  ] as const)
    for (const at of [5, MAX_TARGET, length + 7, length + 10, length + 18])
      expect(scanCut('scanRequest', target(length), at).result > 0).toBe(taken);
});

test('a path is suspect exactly when it may not be canonical', () => {
  const suspect = (target: string): boolean => scan('scanRequest', `GET ${target} HTTP/1.1\r\n\r\n`).head.pathSuspect;
  for (const plain of ['/', '/a', '/a/b.c', '/a./b', '/a?//../%2f;', '/a,b:c@d!$&()*+=~'])
    expect([plain, suspect(plain)]).toEqual([plain, false]);
  for (const odd of ['//', '/a//b', '/.', '/..', '/a/./b', '/.a', '/%41', '/a;b', '/a\\b'])
    expect([odd, suspect(odd)]).toEqual([odd, true]);
});

const goodResponses = [
  'HTTP/1.1 200 OK\r\n\r\n',
  'HTTP/1.0 404 \r\nA: b\r\n\r\n',
  'HTTP/1.1 204\r\n\r\n',
  'HTTP/1.1 999 \xe9\t"x"\r\nContent-Length:5\r\nx-weft-y: 1\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
];

test.each(goodResponses)('a response head in order is taken, and is the same wherever it is cut: %j', (text) => {
  const { result, head } = scan('scanResponse', text);
  expect(result).toBe(text.length);
  for (let at = 0; at < text.length; at++) {
    expect(scan('scanResponse', text.slice(0, at)).result).toBe(INCOMPLETE);
    const cut = scanCut('scanResponse', text, at);
    expect(cut.result).toBe(text.length);
    expect(contents(cut.head)).toEqual(contents(head));
  }
});

test.each([
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['a status with a sign', 'HTTP/1.1 +20 OK\r\n\r\n'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['another version', 'HTTP/1.2 200 OK\r\n\r\n'],
  ['a space before the version', ' HTTP/1.1 200 OK\r\n\r\n'],
  ['something else', 'ICY 200 OK\r\n\r\n'],
  ['LF alone after the reason', 'HTTP/1.1 200 OK\n\r\n'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n'],
  ['a folded line', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n'],
  ['CR alone in a value', 'HTTP/1.1 200 OK\r\na: b\rSet-Cookie: c\r\n\r\n'],
  ['a reason beyond the limit', `HTTP/1.1 200 ${'x'.repeat(MAX_TARGET + 1)}\r\n\r\n`],
])('a response head with %s is refused', (_, text) => {
  expect(scan('scanResponse', text).result).toBe(INVALID);
  const step = text.length > 2000 ? 997 : 1;
  for (let at = 0; at < text.length; at += step) expect(scanCut('scanResponse', text, at).result).toBe(INVALID);
});

test('offsets move with the octets', () => {
  const text = 'GET /a?b HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n';
  const head = new Head();
  const padded = octets(`padding${text}`);
  expect(scanRequest(head, padded, 7, padded.length)).toBe(padded.length);
  const before = contents(head);
  head.moveTo(octets(text), 7);
  padded.fill(0);
  expect(contents(head)).toEqual(before);
});

test.each([
  ['0', 0],
  ['5', 5],
  ['00012', 12],
  ['999999999999999', 999_999_999_999_999],
  ['1000000000000000', -1],
  ['', -1],
  ['+5', -1],
  ['-5', -1],
  ['5 ', -1],
  [' 5', -1],
  ['5,5', -1],
  ['5.0', -1],
  ['5e0', -1],
  ['0x5', -1],
  ['5_0', -1],
  ['\xb2', -1],
  ['Infinity', -1],
])('a Content-Length of %j is %d', (text, length) => {
  expect(parseLength(octets(`<${text}>`), 1, text.length + 1)).toBe(length);
});

test.each([
  ['0', 0],
  ['a', 10],
  ['fF', 255],
  ['0000000000000010', 16],
  ['00000000000000010', -1],
  ['1fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['20000000000000', -1],
  ['ffffffffffffffff', -1],
  ['', -1],
  ['g', -1],
  ['0x1', -1],
  ['-1', -1],
  ['1 ', -1],
])('a chunk size of %j is %d', (text, size) => {
  expect(parseChunkSize(octets(`<${text}>`), 1, text.length + 1)).toBe(size);
});
