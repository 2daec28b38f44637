import { decodeHuffman } from './huffman.ts';

/** Codes of RFC 7541 appendix B, of every length that there is. */
const codes: readonly (readonly [octet: number, code: number, bits: number])[] = [
  [0x30, 0x0, 5],
  [0x74, 0x9, 5],
  [0x20, 0x14, 6],
  [0x75, 0x2d, 6],
  [0x3a, 0x5c, 7],
  [0x7a, 0x7b, 7],
  [0x26, 0xf8, 8],
  [0x5a, 0xfd, 8],
  [0x21, 0x3f8, 10],
  [0x3f, 0x3fc, 10],
  [0x27, 0x7fa, 11],
  [0x7c, 0x7fc, 11],
  [0x23, 0xffa, 12],
  [0x3e, 0xffb, 12],
  [0x00, 0x1ff8, 13],
  [0x7e, 0x1ffd, 13],
  [0x5e, 0x3ffc, 14],
  [0x7d, 0x3ffd, 14],
  [0x3c, 0x7ffc, 15],
  [0x7b, 0x7ffe, 15],
  [0x5c, 0x7fff0, 19],
  [0xd0, 0x7fff2, 19],
  [0x80, 0xfffe6, 20],
  [0xf2, 0x3ffffec, 26],
  [0x99, 0x1fffdc, 21],
  [0x81, 0x3fffd2, 22],
  [0x01, 0x7fffd8, 23],
  [0x09, 0xffffea, 24],
  [0xc7, 0x1ffffec, 25],
  [0xff, 0x3ffffee, 26],
  [0xfe, 0x7fffff0, 27],
  [0x02, 0xfffffe2, 28],
  [0xf9, 0xffffffe, 28],
  [0x0a, 0x3ffffffc, 30],
  [0x16, 0x3ffffffe, 30],
];

function encoded(octets: readonly number[]): Buffer {
  const bits = octets
    .map((octet) => {
      const [, code, length] = codes.find(([of]) => of === octet)!;
      return code.toString(2).padStart(length, '0');
    })
    .join('');
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from((padded.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

function decoded(code: Buffer, room = 100): number[] | -1 {
  const dst = Buffer.alloc(room + 1, 0xee);
  const length = decodeHuffman(
    Buffer.concat([Buffer.from([0xff]), code, Buffer.alloc(4)]),
    1,
    1 + code.length,
    dst,
    0,
    room,
  );
  expect(dst[room]).toBe(0xee);
  return length < 0 ? -1 : [...dst.subarray(0, length)];
}

test.each(codes)('the code of %i', (octet) => {
  expect(decoded(encoded([octet]))).toEqual([octet]);
});

test('codes of all lengths beside one another', () => {
  for (const [a] of codes) for (const [b] of codes) expect(decoded(encoded([a, b, 0x30, a]))).toEqual([a, b, 0x30, a]);
  const all = codes.map(([octet]) => octet);
  expect(decoded(encoded(all))).toEqual(all);
  expect(decoded(encoded(all.toReversed()))).toEqual(all.toReversed());
});

test('nothing is nothing', () => {
  expect(decoded(Buffer.alloc(0))).toEqual([]);
});

test('every code that is cut is refused, unless what is left is padding', () => {
  for (const [octet, code, bits] of codes)
    for (let kept = 0; kept < bits; kept++) {
      const left = code.toString(2).padStart(bits, '0').slice(0, kept);
      const padded = left.padEnd(Math.ceil(kept / 8) * 8, '1');
      const result = decoded(Buffer.from((padded.match(/.{8}/g) ?? []).map((text) => Number.parseInt(text, 2))));
      // The ones that fill the last octet may make a shorter code of it. Nothing but ones is too much padding.
      if (kept === 0) expect(result).toEqual([]);
      else if (/^1*$/.test(left)) expect([octet, kept, result]).toEqual([octet, kept, -1]);
      else if (result !== -1) expect(padded.length).toBeGreaterThan(left.length);
    }
});

test('writes no further than it may, and still tells the whole length', () => {
  const code = encoded(Array.from({ length: 50 }, () => 0x30));
  const dst = Buffer.alloc(50, 0xee);
  expect(decodeHuffman(code, 0, code.length, dst, 10, 20)).toBe(50);
  expect(dst.toString('latin1')).toBe(`${'\xee'.repeat(10)}${'0'.repeat(10)}${'\xee'.repeat(30)}`);
});
