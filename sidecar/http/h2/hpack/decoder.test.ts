import { Head } from '../../message/head.ts';
import { nameId } from '../../message/names.ts';
import { DECODED, HpackDecoder } from './decoder.ts';

const octets = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** The lines of a head. Each must say what its offsets say. */
function lines(head: Head): string[] {
  const lines = Array.from({ length: head.count }, (_, field) => {
    const line = head.text(head.nameStart(field), head.lineEnd(field));
    expect(line).toBe(`${head.text(head.nameStart(field), head.nameEnd(field))}: ${head.value(field)}\r\n`);
    expect(head.isClean(field)).toBe(true);
    return line.slice(0, -2);
  });
  expect(head.text(head.fieldsStart, head.fieldsEnd)).toBe(lines.map((line) => `${line}\r\n`).join(''));
  return lines;
}

function decode(decoder: HpackDecoder, block: Buffer, head = new Head()): { result: number; lines: string[] } {
  // Not at the start of its buffer, and not at the end: a codec that reads beyond its block sees something else there.
  const buf = Buffer.concat([Buffer.from([0x82, 0x82]), block, Buffer.from([0x86, 0x86])]);
  const result = decoder.decode(buf, 2, 2 + block.length, head);
  return { result, lines: lines(head) };
}

const request1 = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const request3 = [
  ...[':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com'],
  'custom-key: custom-value',
];
const redirect = (status: number, second: number): string[] => [
  ...[`:status: ${status}`, 'cache-control: private', `date: Mon, 21 Oct 2013 20:13:${second} GMT`],
  'location: https://www.example.com',
];
const response3 = [
  ...redirect(200, 22),
  'content-encoding: gzip',
  'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
];

// RFC 7541 appendix C: blocks of one connection, in order.
test.each([
  ['C.2.1 a new name', 4096, [['400a637573746f6d2d6b65790d637573746f6d2d686561646572', ['custom-key: custom-header']]]],
  ['C.2.2 a literal that is not indexed', 4096, [['040c2f73616d706c652f70617468', [':path: /sample/path']]]],
  ['C.2.3 one that never is', 4096, [['100870617373776f726406736563726574', ['password: secret']]]],
  ['C.2.4 a field of the static table', 4096, [['82', [':method: GET']]]],
  [
    'C.3 requests',
    4096,
    [
      ['828684410f7777772e6578616d706c652e636f6d', request1],
      ['828684be58086e6f2d6361636865', [...request1, 'cache-control: no-cache']],
      ['828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565', request3],
    ],
  ],
  [
    'C.4 requests in Huffman code',
    4096,
    [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', request1],
      ['828684be5886a8eb10649cbf', [...request1, 'cache-control: no-cache']],
      ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', request3],
    ],
  ],
  [
    'C.5 responses with eviction',
    256,
    [
      [
        '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
          '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        redirect(302, 21),
      ],
      ['4803333037c1c0bf', redirect(307, 21)],
      [
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b' +
          '425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
        response3,
      ],
    ],
  ],
  [
    'C.6 responses in Huffman code with eviction',
    256,
    [
      [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        redirect(302, 21),
      ],
      ['4883640effc1c0bf', redirect(307, 21)],
      [
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af2708' +
          '7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        response3,
      ],
    ],
  ],
] as [string, number, [string, string[]][]][])('RFC 7541 appendix %s', (_, table, blocks) => {
  const decoder = new HpackDecoder(table);
  const head = new Head();
  for (const [hex, fields] of blocks)
    expect(decode(decoder, octets(hex), head)).toEqual({ result: DECODED, lines: fields });
});

test('fields have the numbers of their names, and the mark of those that no table may have', () => {
  const head = new Head();
  decode(new HpackDecoder(), octets('82 84 100870617373776f726406736563726574 5c0135 00026161 0162'), head);
  expect([...head.ids.subarray(0, 5)]).toEqual([nameId[':method'], nameId[':path'], 0, nameId['content-length'], 0]);
  expect([...head.secret.subarray(0, 5)]).toEqual([0, 0, 1, 0, 0]);
  expect([head.startLine, head.minor, head.count]).toEqual([false, 1, 5]);
});
