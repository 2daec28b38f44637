import { Head } from '../../message/head.ts';
import { type KnownName, nameId } from '../../message/names.ts';
import { DECODED, HpackDecoder } from './decoder.ts';
import { BEGIN_ROOM, fieldRoom, HpackEncoder } from './encoder.ts';

type Field = readonly [name: string, value: string];

const idOf = (name: string): number => nameId[name as KnownName] ?? 0;

/** One block with these fields. Each must keep within its room. */
function encode(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  const dst = Buffer.alloc(100_000);
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
  const lengths = [1, 2, 3].map(() => {
    const block = encode(encoder, request);
    expect(decode(decoder, block)).toEqual(request);
    return block.length;
  });
  expect(lengths[2]).toBe(request.length);
  expect(lengths[0]).toBeGreaterThan(lengths[1]! - 20);
});

test('text is the same as octets', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (const value of ['200', '201', '201', '201', 'x'.repeat(60), 'x'.repeat(60), 'x'.repeat(60), '\xe9'])
    for (const name of [':status', 'traceparent', 'content-length', 'cookie', 'x-b3-flags'] as const) {
      const dst = Buffer.alloc(1000);
      const end = encoder.text(dst, encoder.begin(dst, 0), nameId[name], value);
      expect(end).toBeLessThanOrEqual(fieldRoom(name.length, value.length));
      expect(decode(decoder, dst.subarray(0, end))).toEqual([[name, value]]);
    }
});
