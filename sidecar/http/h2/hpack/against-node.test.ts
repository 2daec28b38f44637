// Our blocks as nghttp2 reads them, and its blocks as we do.
import fc from 'fast-check';
import { BlockReader } from '../../../../test/harness/hpack.ts';
import { NodeDecoder, NodeEncoder } from '../../../../test/harness/node-hpack.ts';
import { Head } from '../../message/head.ts';
import { type KnownName, nameId } from '../../message/names.ts';
import { DECODED, HpackDecoder } from './decoder.ts';
import { BEGIN_ROOM, fieldRoom, HpackEncoder } from './encoder.ts';

type Field = readonly [name: string, value: string];

const isKnown = (name: string): name is KnownName => Object.hasOwn(nameId, name);

const pseudo: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'web'],
];

/** Names that a request may have with any value. */
const name = fc.oneof(
  fc.constantFrom(
    ...['accept', 'user-agent', 'x-tenant', 'content-type', 'traceparent', 'x-request-id', 'x-forwarded-for', 'etag'],
    ...['cookie', 'authorization', 'grpc-timeout', 'x-weft-a', 'content_length', 'b3', 'retry-after', 'constructor'],
  ),
  fc.stringMatching(/^x[a-z0-9!#$%&'*+.^_`|~-]{0,30}$/),
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('', '*/*', 'application/grpc', 'a', 'ab', 'x'.repeat(150), '\xe9\t\xff') },
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef \t,;="\x80\xff~'), maxLength: 80 }).map((text) => text.trim()),
  fc.integer({ min: 900, max: 5000 }).map((length) => 'long'.padEnd(length, 'r')),
);
const field = fc.tuple(name, value);
const message = fc.array(field, { maxLength: 12 });
/** Messages of one connection, many of them like one another, and what becomes of the table between them. */
const connection = fc
  .tuple(fc.array(message, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(), { minLength: 1, maxLength: 15 }))
  .map(([messages, order]) => order.map((n) => messages[n % messages.length]!))
  .chain((messages) =>
    fc.tuple(
      fc.constant(messages),
      fc.array(fc.option(fc.constantFrom(0, 33, 100, 1000, 4096, 2 ** 32 - 1), { freq: 4 }), { maxLength: 15 }),
    ),
  );

/** One block, each field written in one of the ways that there are. */
function encode(encoder: HpackEncoder, fields: readonly Field[], way: number): Buffer {
  const dst = Buffer.alloc(100_000);
  let at = encoder.begin(dst, 0);
  expect(at).toBeLessThanOrEqual(BEGIN_ROOM);
  for (const [i, [name, value]] of fields.entries()) {
    const before = at;
    const known = isKnown(name) ? nameId[name] : 0;
    const src = new Head();
    const spelled = way % 2 === 0 ? name : name.toUpperCase();
    src.buf = Buffer.from(`..${spelled}: ${value}`, 'latin1');
    const [nameEnd, valueEnd] = [2 + name.length, src.buf.length];
    const kind = (way + i) % 5;
    if (kind === 0) at = encoder.named(dst, at, name, value);
    else if (kind === 1) at = encoder.secret(dst, at, src, 2, nameEnd, nameEnd + 2, valueEnd);
    else if (kind === 2 && known !== 0) at = encoder.text(dst, at, known, value);
    else at = encoder.field(dst, at, src, 2, nameEnd, kind === 3 ? known : 0, nameEnd + 2, valueEnd);
    expect(at - before).toBeLessThanOrEqual(fieldRoom(name.length, value.length));
  }
  return dst.subarray(0, at);
}

function decode(decoder: HpackDecoder, block: Buffer): Field[] {
  const head = new Head();
  expect([decoder.decode(block, 0, block.length, head), head.problemText]).toEqual([DECODED, '']);
  return Array.from({ length: head.count }, (_, field) => {
    const name = head.text(head.nameStart(field), head.nameEnd(field));
    if (isKnown(name)) expect(head.ids[field]).toBe(nameId[name]);
    return [name, head.value(field)];
  });
}

test('what we encode is read alike by nghttp2, by a plain reader, and by ourselves', async () => {
  await fc.assert(
    fc.asyncProperty(connection, fc.nat(), async ([messages, limits], way) => {
      const encoder = new HpackEncoder();
      const ours = new HpackDecoder();
      const plain = new BlockReader();
      using node = new NodeDecoder();
      for (const [i, fields] of messages.entries()) {
        const limit = limits[i] ?? null;
        if (limit !== null) encoder.limitTable(limit);
        const all = [...pseudo, ...fields];
        const block = encode(encoder, all, way);
        expect(decode(ours, block)).toEqual(all);
        expect(plain.read(block)).toEqual(all);
        expect(await node.decode(block)).toEqual(all);
      }
    }),
    { numRuns: 60 },
  );
});

test('what nghttp2 encodes is what we read, in Huffman code and with tables of all sizes', async () => {
  await fc.assert(
    fc.asyncProperty(connection, async ([messages, limits]) => {
      const decoder = new HpackDecoder();
      using node = new NodeEncoder();
      for (const [i, fields] of messages.entries()) {
        const limit = limits[i] ?? null;
        if (limit !== null) await node.limitTable(Math.min(limit, 4096));
        // The same name twice would be one field with two values.
        const more = new Map(fields);
        const block = await node.encode({ ...Object.fromEntries(pseudo), ...Object.fromEntries(more) });
        expect(decode(decoder, block).toSorted()).toEqual([...pseudo, ...more].toSorted());
      }
    }),
    { numRuns: 60 },
  );
});
