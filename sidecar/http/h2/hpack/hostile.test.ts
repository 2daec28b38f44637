// What no honest peer sends: the cases of HTTP/2 security by their names, and what is left of the table after them.
import { indexed, integer, literals } from '../../../../test/harness/hpack.ts';
import { Head, MAX_FIELDS, MAX_HEAD } from '../../message/head.ts';
import { isToken, isValue } from '../../message/octets.ts';
import { COMPRESSION, DECODED, HpackDecoder, MALFORMED, TOO_LARGE } from './decoder.ts';

const octets = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** Refers to the field that was put into the table `age` fields ago. */
const again = (age = 0): Buffer => integer(0x80, 7, 62 + age);

function decode(decoder: HpackDecoder, block: Buffer, head = new Head()): { result: number; head: Head } {
  const result = decoder.decode(block, 0, block.length, head);
  expect(head.problemText === '').toBe(result === DECODED);
  return { result, head };
}

const resultOf = (block: Buffer, decoder = new HpackDecoder()): number => decode(decoder, block).result;

const fieldsOf = (head: Head): [string, string][] =>
  Array.from({ length: head.count }, (_, field) => [
    head.text(head.nameStart(field), head.nameEnd(field)),
    head.value(field),
  ]);

describe('a block that cannot be decoded', () => {
  test.each([
    ['an integer of ten octets behind its prefix', '417fffffffffffffffffff0f61'],
    ['an integer of six', '417f808080808000'],
    ['an integer that does not end', '417f80'],
    ['an index of 2^35', 'ffffffffffff7f'],
    ['a length that would be small in 32 bits', '417f82ffffff7f6161'],
    ['index 0', '80'],
    ['an index beyond the static table', 'be'],
    ['the name of a field beyond the tables', '7e0161'],
    ['the name of a field beyond the tables, in a literal that is not put there', '0f30 0161'],
    ['a table larger than we said', '3fe21f'],
    ['a table of 2^32 - 1 octets', '3fe0ffffff0f'],
    ['a new size of the table behind a field', '8220'],
    ['a new size of the table that does not end', '3f'],
    ['a name that is longer than the block', '000261'],
    ['a value that is longer than the block', '0001610261'],
    ['no value', '000161'],
    ['nothing behind the kind of field', '00'],
    ['padding of eight bits', '000161 82 1fff'],
    ['padding of zeros', '000161 81 18'],
    ['padding that is not all ones', '000161 81 1e'],
    ['eight bits of padding and nothing else', '000161 81 ff'],
    ['EOS', '000161 84 ffffffff'],
    ['EOS behind a letter', '000161 85 1fffffffff'],
    ['a code that is cut off', '000161 82 fffe'],
    ['a name in broken Huffman code', '008118 0161'],
  ])('%s', (_, hex) => {
    expect(resultOf(octets(hex))).toBe(COMPRESSION);
  });

  test('a block that is cut anywhere but between fields', () => {
    const fields = [
      octets('3fe11f'),
      octets('82'),
      octets('0f0d03313233'),
      octets('4088 25a849e95ba97d7f 89 25a849e95bb8e8b4bf'),
    ];
    const block = Buffer.concat(fields);
    const ends = fields.map((_, n) => Buffer.concat(fields.slice(0, n)).length);
    for (let end = 0; end < block.length; end++)
      expect([end, resultOf(block.subarray(0, end))]).toEqual([end, ends.includes(end) ? DECODED : COMPRESSION]);
  });

  test('the largest table that we said is fine, and so is a lesser one', () => {
    expect(resultOf(octets('3fe11f'))).toBe(DECODED);
    expect(resultOf(octets('20 3f01 82'))).toBe(DECODED);
    expect(resultOf(octets('21'), new HpackDecoder(0))).toBe(COMPRESSION);
    expect(() => new HpackDecoder(65_536)).toThrow(RangeError);
  });
});

describe('a message that may not be', () => {
  test.each([
    ['a line in a value', '00 0161 08 620d0a633a206465'],
    ['a line in a name', '00 07 613a20620d0a63 0161'],
    ['a line in :path', literals([[':path', '/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx: x']]).toString('hex')],
    ['an upper-case name', '00 03 466f6f 0161'],
    ['an upper-case name in Huffman code', '00 81 87 0161'],
    ['a space before a value', '00 0161 02 2061'],
    ['a tab behind a value', '00 0161 02 6109'],
    ['a value that is a space', '00 0161 01 20'],
    ['no name', '00 00 0161'],
    ['a pseudo-header field that nobody defined', '00 04 3a666f6f 0161'],
    ['a colon alone', '00 01 3a 0161'],
    ['one in upper case', literals([[':Path', '/']]).toString('hex')],
    ['one with _', literals([[':p_th', '/']]).toString('hex')],
  ])('%s', (_, hex) => {
    const decoder = new HpackDecoder();
    const { result, head } = decode(decoder, Buffer.concat([octets('82'), octets(hex), octets('84')]));
    expect(result).toBe(MALFORMED);
    expect(head.problem).toBe('BAD_REQUEST');
    // What came before is there, and nothing else.
    expect(fieldsOf(head)).toEqual([[':method', 'GET']]);
  });

  test('ten thousand fields without name and value', () => {
    const head = new Head();
    expect(decode(new HpackDecoder(), Buffer.alloc(30_000), head).result).toBe(MALFORMED);
    expect(head.own.buf.length).toBeLessThan(6000);
  });

  test('every octet of a name is judged', () => {
    for (let octet = 0; octet < 256; octet++) {
      const fine = isToken[octet] === 1 && !(octet >= 0x41 && octet <= 0x5a);
      // A colon in front makes an unknown pseudo-header field of it.
      for (const name of ['#a', 'a#', 'aa#a'].map((text) => text.replace('#', String.fromCharCode(octet))))
        expect([name, resultOf(literals([[name, 'x']]))]).toEqual([name, fine ? DECODED : MALFORMED]);
    }
  });

  test('every octet of a value is judged, wherever it stands', () => {
    const wrong: number[][] = [];
    const decoder = new HpackDecoder(0);
    const head = new Head();
    for (let octet = 0; octet < 256; octet++)
      for (const length of [3, 16, 19, 40])
        for (let at = 1; at < length - 1; at++) {
          const value = Buffer.alloc(length, 'v');
          value[at] = octet;
          const block = Buffer.concat([Buffer.from([0, 1, 0x61, length]), value]);
          const result = decoder.decode(block, 0, block.length, head);
          const fine =
            isValue[octet] === 1
              ? result === DECODED && head.value(0) === value.toString('latin1')
              : result === MALFORMED;
          if (!fine) wrong.push([octet, length, at]);
        }
    expect(wrong).toEqual([]);
  });
});

describe('a message that is too large', () => {
  const field = (octetsOfIt: number): Buffer => literals([['a', 'v'.repeat(octetsOfIt - 33)]]);

  test.each([
    ['the value of one field again and again', 'a', 16_000],
    ['a cookie again and again', 'cookie', 16_000],
    ['a host again and again', 'host', 60],
  ])('%s', (_, name, count) => {
    const head = new Head();
    const block = Buffer.concat([indexed(name, 'v'.repeat(4064 - name.length)), Buffer.alloc(count, 0xbe)]);
    expect(decode(new HpackDecoder(), block, head).result).toBe(TOO_LARGE);
    expect(head.problem).toBe('HEAD_TOO_LARGE');
    expect(head.fieldsEnd).toBeLessThanOrEqual(MAX_HEAD);
    expect(head.own.buf.length).toBeLessThanOrEqual(MAX_HEAD + 8192);
  });

  test('what is counted is names, values and 32 for each field', () => {
    const pieces = [field(20_000), field(20_000), field(MAX_HEAD - 40_000)];
    expect(resultOf(Buffer.concat(pieces))).toBe(DECODED);
    expect(resultOf(Buffer.concat([...pieces.slice(1), field(20_001)]))).toBe(TOO_LARGE);
    expect(resultOf(field(MAX_HEAD))).toBe(DECODED);
    expect(resultOf(field(MAX_HEAD + 1))).toBe(TOO_LARGE);
    expect(resultOf(literals([['a'.repeat(MAX_HEAD - 33), 'v']]))).toBe(DECODED);
    expect(resultOf(literals([['a'.repeat(MAX_HEAD - 32), 'v']]))).toBe(TOO_LARGE);
    expect(resultOf(literals([['a'.repeat(MAX_HEAD), 'v'.repeat(MAX_HEAD)]]))).toBe(TOO_LARGE);
  });

  test('the number of fields', () => {
    expect(resultOf(Buffer.alloc(MAX_FIELDS, 0x82))).toBe(DECODED);
    expect(resultOf(Buffer.alloc(MAX_FIELDS + 1, 0x82))).toBe(TOO_LARGE);
    const head = new Head();
    head.maxFields = 3;
    expect(decode(new HpackDecoder(), Buffer.alloc(4, 0x82), head).result).toBe(TOO_LARGE);
    head.maxFields = 4;
    head.maxOctets = 4 * (10 + 32);
    expect(decode(new HpackDecoder(), Buffer.alloc(4, 0x82), head).result).toBe(DECODED);
    head.maxOctets -= 1;
    expect(decode(new HpackDecoder(), Buffer.alloc(4, 0x82), head).result).toBe(TOO_LARGE);
  });

  test('grows nothing any more', () => {
    const head = new Head();
    head.maxFields = 1;
    const value = Buffer.alloc(40_000, 0xff);
    const huffman = Buffer.concat([
      octets('000161'),
      integer(0x80, 7, 20_000),
      Buffer.alloc(19_998, 0x18),
      octets('ffff'),
    ]);
    const block = Buffer.concat([octets('8282'), literals([['a', value.toString('latin1')]]), huffman]);
    // Padding that is too long: the block is looked at to its end.
    expect(decode(new HpackDecoder(), Buffer.concat([block, octets('84')]), head).result).toBe(COMPRESSION);
    expect(head.own.buf.length).toBeLessThan(5000);
  });
});

describe('the table', () => {
  test.each([
    ['malformed', literals([['A', '']]), MALFORMED],
    ['too large', Buffer.alloc(200, 0x82), TOO_LARGE],
  ])('is in step after a message that was %s', (_, bad, verdict) => {
    const decoder = new HpackDecoder();
    const block = Buffer.concat([indexed('a', '1'), bad, indexed('b', '2'), again(), octets('7e0133')]);
    expect(resultOf(block, decoder)).toBe(verdict);
    const { result, head } = decode(decoder, Buffer.concat([again(0), again(1), again(2)]));
    expect(result).toBe(DECODED);
    expect(fieldsOf(head)).toEqual([
      ['b', '3'],
      ['b', '2'],
      ['a', '1'],
    ]);
  });

  test('never gives a malformed field to a later message, but its name if that is fine', () => {
    const decoder = new HpackDecoder();
    expect(resultOf(Buffer.concat([indexed('a', '\n'), indexed('B', 'x')]), decoder)).toBe(MALFORMED);
    expect(resultOf(again(0), decoder)).toBe(MALFORMED);
    expect(resultOf(again(1), decoder)).toBe(MALFORMED);
    expect(resultOf(octets('0f2f 0131'), decoder)).toBe(MALFORMED);
    const { result, head } = decode(decoder, octets('0f30 0131'));
    expect([result, fieldsOf(head)]).toEqual([DECODED, [['a', '1']]]);
  });

  test('evicts the oldest, by octets as RFC 7541 section 4.1 counts them', () => {
    const decoder = new HpackDecoder(100);
    // 34 octets each.
    expect(resultOf(Buffer.concat([indexed('a', '1'), indexed('b', '2')]), decoder)).toBe(DECODED);
    expect(resultOf(again(1), decoder)).toBe(DECODED);
    expect(resultOf(Buffer.concat([indexed('c', ''), again(2)]), decoder)).toBe(COMPRESSION);
  });

  test('is emptied by a field larger than itself, which the message has all the same', () => {
    const decoder = new HpackDecoder(100);
    const { result, head } = decode(decoder, Buffer.concat([indexed('a', '1'), indexed('b', 'v'.repeat(68))]));
    expect([result, head.count, head.valueEnd(1) - head.valueStart(1)]).toEqual([DECODED, 2, 68]);
    expect(resultOf(again(), decoder)).toBe(COMPRESSION);
  });

  test('may evict the field whose name the new one has', () => {
    const decoder = new HpackDecoder(100);
    expect(resultOf(indexed('name', 'v'.repeat(60)), decoder)).toBe(DECODED);
    const value = 'w'.repeat(64);
    const { head } = decode(decoder, Buffer.concat([octets('7e'), integer(0, 7, 64), Buffer.from(value), again()]));
    expect(fieldsOf(head)).toEqual([
      ['name', value],
      ['name', value],
    ]);
  });

  test('shrinks and grows as the peer says', () => {
    const decoder = new HpackDecoder();
    expect(resultOf(Buffer.concat([indexed('a', '1'), indexed('b', '2')]), decoder)).toBe(DECODED);
    const { head } = decode(decoder, Buffer.concat([integer(0x20, 5, 40), again(0)]));
    expect(fieldsOf(head)).toEqual([['b', '2']]);
    expect(resultOf(Buffer.concat([integer(0x20, 5, 4096), again(0)]), decoder)).toBe(DECODED);
    expect(resultOf(again(1), new HpackDecoder())).toBe(COMPRESSION);
    expect(resultOf(Buffer.concat([octets('20'), integer(0x20, 5, 4096), again(0)]), decoder)).toBe(COMPRESSION);
  });
});
