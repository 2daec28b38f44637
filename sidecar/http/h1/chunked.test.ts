import { ChunkedDecoder } from './chunked.ts';

interface Decoded {
  readonly content: string;
  /** Octets taken, up to the end of the message or of the pieces. */
  readonly taken: number;
  readonly done: boolean;
  readonly problem: string | undefined;
}

/** Feeds the text cut at these places. Stops where the decoder does. */
function decode(text: string, cuts: readonly number[] = []): Decoded {
  const decoder = new ChunkedDecoder();
  decoder.reset();
  let content = '';
  let taken = 0;
  const edges = [0, ...cuts, text.length];
  for (let i = 1; i < edges.length && !decoder.done; i++) {
    // In a larger buffer, so that neither its start nor its end is that of the octets.
    const buf = Buffer.from(`<<${text.slice(edges[i - 1], edges[i])}>>`, 'latin1');
    const behind = decoder.feed(buf, 2, buf.length - 2);
    content += buf.toString('latin1', decoder.dataStart, decoder.dataEnd);
    if (behind < 0) return { content, taken: -1, done: false, problem: decoder.problem };
    taken += behind - 2;
  }
  return { content, taken, done: decoder.done, problem: decoder.problem };
}

test.each([
  ['no content', '0\r\n\r\n', ''],
  ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['several', '1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n', 'abcdef'],
  [
    'sizes in either case, with zeros before them',
    '00A\r\n0123456789\r\n00a\r\n0123456789\r\n000\r\n\r\n',
    '01234567890123456789',
  ],
  ['content that looks like framing', '7\r\n0\r\n\r\nxy\r\n0\r\n\r\n', '0\r\n\r\nxy'],
  ['extensions', '1;a\r\nx\r\n1;a=b;c="d;\\""\r\ny\r\n0;z\r\n\r\n', 'xy'],
  ['white space around the parts of extensions', '1 ;\ta = "b c"\r\nx\r\n0\r\n\r\n', 'x'],
  ['trailers, which are dropped', '1\r\nx\r\n0\r\nA: b\r\nContent-Length: 7\r\nc:\r\n\r\n', 'x'],
])('decodes %s, the same wherever it is cut', (_, text, content) => {
  expect(decode(text)).toEqual({ content, taken: text.length, done: true, problem: undefined });
  for (let at = 1; at < text.length; at++) {
    expect(decode(text, [at])).toEqual(decode(text));
    expect(decode(text.slice(0, at)).done).toBe(false);
  }
  expect(
    decode(
      text,
      Array.from({ length: text.length - 1 }, (_, i) => i + 1),
    ),
  ).toEqual(decode(text));
  expect(decode(`${text}GET / HTTP/1.1`)).toMatchObject({ content, taken: text.length, done: true });
});

test.each([
  ['no size', '\r\nabc\r\n0\r\n\r\n'],
  ['a size with a sign', '+1\r\na\r\n0\r\n\r\n'],
  ['a negative size', '-1\r\na\r\n0\r\n\r\n'],
  ['a size with 0x', '0x1\r\na\r\n0\r\n\r\n'],
  ['a size with a digit that is none', '1g\r\na\r\n0\r\n\r\n'],
  ['a size with an underscore', '1_0\r\na\r\n0\r\n\r\n'],
  ['white space before a size', ' 1\r\na\r\n0\r\n\r\n'],
  ['white space behind a size', '1 \r\na\r\n0\r\n\r\n'],
  ['a size of 2^53', '20000000000000\r\na'],
  ['a size of 2^64 + 1', '10000000000000001\r\na\r\n0\r\n\r\n'],
  ['too many zeros', `${'0'.repeat(17)}1\r\na\r\n0\r\n\r\n`],
  ['LF alone behind a size', '1\na\r\n0\r\n\r\n'],
  ['CR alone behind a size', '1\ra\r\n0\r\n\r\n'],
  ['a comma', '1,a\r\na\r\n0\r\n\r\n'],
  ['an empty extension', '1;\r\na\r\n0\r\n\r\n'],
  ['an extension that is no token', '1;a(b)\r\na\r\n0\r\n\r\n'],
  ['an extension without its value', '1;a=\r\na\r\n0\r\n\r\n'],
  ['an open quote', '1;a="b\r\na\r\n0\r\n\r\n'],
  ['LF in an extension', '1;a\nb\r\na\r\n0\r\n\r\n'],
  ['LF in a quoted extension', '1;a="\n"\r\na\r\n0\r\n\r\n'],
  ['CR in an extension', '1;a\rb\r\na\r\n0\r\n\r\n'],
  ['NUL in an extension', '1;a\0\r\na\r\n0\r\n\r\n'],
  ['more extensions than the limit', `1;${'a'.repeat(5000)}\r\na\r\n0\r\n\r\n`],
  ['more extensions than the limit over many chunks', `1;${'a'.repeat(99)}\r\na\r\n`.repeat(42)],
  ['less content than stated', '2\r\na\r\n0\r\n\r\n'],
  ['more content than stated', '1\r\nab\r\n0\r\n\r\n'],
  ['LF alone behind content', '1\r\na\n0\r\n\r\n'],
  ['CR alone behind content', '1\r\na\r0\r\n\r\n'],
  ['content right behind content', '1\r\na1\r\nb\r\n0\r\n\r\n'],
  ['LF alone at the end', '0\r\n\n'],
  ['a trailer without a colon', '0\r\nab\r\n\r\n'],
  ['a trailer with white space before the colon', '0\r\na : b\r\n\r\n'],
  ['a folded trailer', '0\r\na: b\r\n c\r\n\r\n'],
  ['a trailer without a name', '0\r\n: b\r\n\r\n'],
  ['NUL in a trailer', '0\r\na: \0\r\n\r\n'],
  ['LF alone in a trailer', '0\r\na: b\nc: d\r\n\r\n'],
  ['CR alone in a trailer', '0\r\na: b\rc: d\r\n\r\n'],
  ['more trailers than the limit', `0\r\n${'a: b\r\n'.repeat(101)}\r\n`],
  ['longer trailers than the limit', `0\r\na: ${'b'.repeat(70_000)}\r\n\r\n`],
])('refuses %s, wherever it is cut', (_, text) => {
  expect(decode(text)).toMatchObject({ taken: -1, done: false });
  expect(decode(text).problem).toBeDefined();
  const step = text.length > 1000 ? 499 : 1;
  for (let at = 1; at < text.length; at += step) expect(decode(text, [at])).toEqual(decode(text));
});

test('refuses a bad octet at once, not at the end of a line that may never come', () => {
  for (const text of ['1\n', '1;a\n', '0\r\n\n', '0\r\na\n', '0\r\na: \0', 'g', ' ', '\n', '1;\r\r'])
    expect([text, decode(text).taken]).toEqual([text, -1]);
});

test('says how much content has been announced before it has come', () => {
  const decoder = new ChunkedDecoder();
  decoder.reset();
  const buf = Buffer.from('3\r\nabc\r\nffff\r\nab');
  decoder.feed(buf, 0, buf.length);
  expect([decoder.total, decoder.announced]).toEqual([5, 3 + 0xffff]);
});

test('is as new after a reset', () => {
  const decoder = new ChunkedDecoder();
  const feed = (text: string): number => decoder.feed(Buffer.from(text), 0, text.length);
  decoder.reset();
  expect(feed('5;aaaa\r\nxx')).toBe(10);
  decoder.reset();
  expect(feed('1\r\na\r\n0\r\n\r\n')).toBe(11);
  expect([decoder.done, decoder.total, decoder.announced]).toEqual([true, 1, 1]);
});
