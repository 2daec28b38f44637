import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Head } from '../../message/head.ts';
import { type KnownName, LOOKALIKE, nameId, OURS } from '../../message/names.ts';
import { DECODED, HpackDecoder } from './decoder.ts';
import { BEGIN_ROOM, fieldRoom, HpackEncoder } from './encoder.ts';

type Field = readonly [name: string, value: string];

const idOf = (name: string): number => nameId[name as KnownName] ?? 0;

/** One block with these fields. Each must keep within its room. */
function encode(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  const dst = Buffer.allocUnsafe(20_000);
  let at = encoder.begin(dst, 0);
  expect(at).toBeLessThanOrEqual(BEGIN_ROOM);
  for (const [name, value] of fields) {
    const src = new Head();
    src.buf = Buffer.from(`..${name}: ${value}\r\n`, 'latin1');
    const valueStart = name.length + 4;
    const end = encoder.field(dst, at, src, 2, 2 + name.length, idOf(name), valueStart, valueStart + value.length);
    expect(end - at).toBeLessThanOrEqual(fieldRoom(name.length, value.length));
    at = end;
  }
  return Buffer.from(dst.subarray(0, at));
}

function decode(decoder: HpackDecoder, block: Buffer): Field[] {
  const head = new Head();
  expect([decoder.decode(block, 0, block.length, head), head.problemText]).toEqual([DECODED, '']);
  return Array.from({ length: head.count }, (_, field) => [
    head.text(head.nameStart(field), head.nameEnd(field)),
    head.value(field),
  ]);
}

/** Octets in use, on the heap and in buffers, with all that is garbage gone. */
function held(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const request: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/cart'],
  [':authority', 'cart.mesh'],
  ['accept', '*/*'],
  ['user-agent', 'curl/8.5.0'],
  ['x-tenant', 'blue'],
  ['grpc-timeout', '5S'],
];

test('a request that repeats becomes one octet for each field', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const blocks = [1, 2, 3].map(() => {
    const block = encode(encoder, request);
    expect(decode(decoder, block)).toEqual(request);
    return block;
  });
  expect(blocks[2]!.length).toBe(request.length);
});

test('any forty fields that come twice are in the table', () => {
  for (let n = 0; n < 50; n++) {
    const encoder = new HpackEncoder();
    const fields = Array.from({ length: 40 }, (_, i): Field => [`x-${n}-${i}`, `value ${i * n}`]);
    for (let i = 0; i < 2; i++) encode(encoder, fields);
    expect(encode(encoder, fields)).toHaveLength(fields.length);
  }
});

test.each([
  ...[':method: GET', ':method: POST', ':path: /', ':path: /index.html', ':scheme: http', ':scheme: https'],
  ...[200, 204, 206, 304, 400, 404, 500].map((status) => `:status: ${status}`),
])('%s is one octet from the first time on', (line) => {
  const [name, value] = line.split(': ') as [KnownName, string];
  const dst = Buffer.alloc(100);
  expect(encode(new HpackEncoder(), [[name, value]])).toHaveLength(1);
  expect(new HpackEncoder().text(dst, 0, nameId[name], value)).toBe(1);
});

test('names are written in lower case, and found in any', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (const name of ['X-Tenant', 'x-tenant', 'X-TENANT', 'Accept', 'ACCEPT'])
    expect(decode(decoder, encode(encoder, [[name, 'blue']]))).toEqual([[name.toLowerCase(), 'blue']]);
  expect(encode(encoder, [['x-tEnAnT', 'blue']])).toHaveLength(1);
  expect(encode(encoder, [['aCCept', 'blue']])).toHaveLength(1);
});

test.each(['authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'Authorization', 'Cookie'])(
  '%s is in no table, and says that it never may be',
  (name) => {
    const encoder = new HpackEncoder();
    for (let i = 0; i < 4; i++)
      for (const id of [idOf(name), 0]) {
        const src = new Head();
        src.buf = Buffer.from(`${name}secret`);
        const dst = Buffer.alloc(100);
        const end = encoder.field(dst, 0, src, 0, name.length, id, name.length, src.buf.length);
        const head = new Head();
        expect(new HpackDecoder().decode(dst, 0, end, head)).toBe(DECODED);
        expect([head.value(0), head.secret[0], dst[0]! >>> 4]).toEqual(['secret', 1, 1]);
      }
  },
);

test('a field that may be in no table stays that', () => {
  const encoder = new HpackEncoder();
  const src = new Head();
  src.buf = Buffer.from('X-Keymine');
  for (let i = 0; i < 3; i++) {
    const dst = Buffer.alloc(100);
    const head = new Head();
    const end = encoder.secret(dst, 0, src, 0, 5, 5, 9);
    expect(new HpackDecoder().decode(dst, 0, end, head)).toBe(DECODED);
    expect([head.text(0, head.fieldsEnd), head.secret[0]]).toEqual(['x-key: mine\r\n', 1]);
  }
});

test('what differs each time pushes nothing out', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (let i = 0; i < 3; i++) decode(decoder, encode(encoder, request));
  for (let i = 0; i < 500; i++) {
    const fields: Field[] = [
      ...request,
      [':path', `/cart/${i}`],
      ['traceparent', `00-${String(i).padStart(32, '0')}-b7ad6b7169203331-01`],
      ['x-request-id', `${i}`],
      ['x-unique', `value ${i}`],
    ];
    expect(decode(decoder, encode(encoder, fields))).toEqual(fields);
  }
  expect(encode(encoder, request)).toHaveLength(request.length);
});

test('a known name that no table has becomes an index, though its value is always another', () => {
  const encoder = new HpackEncoder();
  const value = (n: number): string => `00-${String(n).padStart(32, '0')}-b7ad6b7169203331-01`;
  const lengths = [0, 1, 2].map((n) => encode(encoder, [['traceparent', value(n)]]).length);
  expect(lengths).toEqual([1 + 1 + 11 + 1 + 55, 2 + 1 + 55, 2 + 1 + 55]);
});

test('names of the mesh and look-alikes keep their own octets, though a number stands for all of them', () => {
  const fields: Field[] = [
    ['x-weft-a', '1'],
    ['x-envoy-b', '1'],
    ['content_length', '1'],
    ['x_real_ip', '1'],
  ];
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const head = new Head();
  const block = encode(new HpackEncoder(), fields);
  expect(new HpackDecoder().decode(block, 0, block.length, head)).toBe(DECODED);
  expect([...head.ids.subarray(0, 4)]).toEqual([OURS, OURS, LOOKALIKE, LOOKALIKE]);
  for (let i = 0; i < 3; i++) {
    const dst = Buffer.alloc(1000);
    let at = encoder.begin(dst, 0);
    for (let n = 0; n < head.count; n++) {
      const nameEnd = head.nameEnd(n);
      at = encoder.field(dst, at, head, head.nameStart(n), nameEnd, head.ids[n]!, head.valueStart(n), head.valueEnd(n));
    }
    expect(decode(decoder, dst.subarray(0, at))).toEqual(fields);
    if (i === 2) expect(at).toBe(fields.length);
  }
});

test('a long value stands in no table', () => {
  const encoder = new HpackEncoder();
  for (let i = 0; i < 4; i++) expect(encode(encoder, [['x-long', 'v'.repeat(1025)]]).length).toBeGreaterThan(1025);
  for (let i = 0; i < 3; i++) encode(encoder, [['x-long', 'v'.repeat(1024)]]);
  expect(encode(encoder, [['x-long', 'v'.repeat(1024)]])).toHaveLength(1);
});

test('a full table is one that works', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  // Far more than there is room for, each twice, so that all of them get a place.
  for (let i = 0; i < 1000; i++) {
    const field: Field = [`x-${i % 300}`, `${'v'.repeat(i % 91)}${i % 300}`];
    for (let again = 0; again < 3; again++) {
      const block = encode(encoder, [field]);
      expect(decode(decoder, block)).toEqual([field]);
      if (again === 2) expect(block).toHaveLength(1);
    }
  }
});

test('a table that the peer makes smaller is smaller from the next block on, and is told of once', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (let i = 0; i < 3; i++) decode(decoder, encode(encoder, request));
  encoder.limitTable(2 ** 32 - 1);
  expect(encode(encoder, [])).toHaveLength(0);
  encoder.limitTable(100);
  encoder.limitTable(0);
  encoder.limitTable(64);
  // Both the least and the last are said, RFC 7541 section 4.2.
  const block = encode(encoder, request);
  expect(block.subarray(0, 3).toString('hex')).toBe('203f21');
  expect(decode(decoder, block)).toEqual(request);
  for (let i = 0; i < 3; i++) expect(decode(decoder, encode(encoder, request))).toEqual(request);
  encoder.limitTable(4096);
  expect(encode(encoder, []).toString('hex')).toBe('3fe11f');
  expect(encode(encoder, [])).toHaveLength(0);
});

test('a table of nothing is no table', () => {
  const encoder = new HpackEncoder();
  encoder.limitTable(0);
  const decoder = new HpackDecoder();
  expect(decode(decoder, encode(encoder, request))).toEqual(request);
  const lengths = [1, 2, 3].map(() => encode(encoder, request).length);
  expect(new Set(lengths).size).toBe(1);
});

test('text is the same as octets', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (const value of ['200', '201', '201', '201', 'x'.repeat(60), 'x'.repeat(60), 'x'.repeat(60), '\xe9', ''])
    for (const name of [':status', 'traceparent', 'content-length', 'cookie', 'x-b3-flags'] as const) {
      const dst = Buffer.alloc(1000);
      const end = encoder.text(dst, encoder.begin(dst, 0), nameId[name], value);
      expect(end).toBeLessThanOrEqual(fieldRoom(name.length, value.length));
      expect(decode(decoder, dst.subarray(0, end))).toEqual([[name, value]]);
    }
  // What was put there as text is found as octets.
  expect(encode(encoder, [['x-b3-flags', '201']])).toHaveLength(1);
});

test('many connections that have spoken and are idle take 16 KiB each for both tables', () => {
  const pairs: (HpackEncoder | HpackDecoder)[] = [];
  const head = new Head();
  const dst = Buffer.alloc(10_000);
  const src = new Head();
  src.buf = Buffer.from(`x-${'v'.repeat(400)}`);
  const speak = (encoder: HpackEncoder, decoder: HpackDecoder): void => {
    for (let n = 0; n < 60; n++)
      for (let again = 0; again < 3; again++) {
        const end = encoder.field(dst, 0, src, 0, 2, 0, 2, 22 + 6 * n);
        if (decoder.decode(dst, 0, end, head) !== DECODED) throw new Error(head.problemText);
      }
  };
  speak(new HpackEncoder(), new HpackDecoder());
  const before = held();
  for (let i = 0; i < 100; i++) {
    const pair = [new HpackEncoder(), new HpackDecoder()] as const;
    pairs.push(...pair);
    speak(...pair);
  }
  expect((held() - before) / 100).toBeLessThan(16 * 1024);
  expect(pairs).toHaveLength(200);
});
