/**
 * Huffman decoding (RFC 7541 section 5.2, appendix B). The code is canonical, so the lengths say all of it. A window of
 * twelve bits finds one or two octets at once; longer codes are for rare octets and are read bit by bit.
 */

/** Bits of the code of each octet, and of EOS. */
const codeLengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];
const EOS = 256;
const LONGEST = 30;
const WINDOW = 12;
const ALL = (1 << WINDOW) - 1;

class Codes {
  /** For each window: first octet, second octet, bits of the first, bits of both. 0 when a longer code begins there. */
  readonly windows = new Int32Array(1 << WINDOW);
  /** Octets (and EOS) in the order of their codes. */
  readonly symbols = new Uint16Array(codeLengths.length);
  /** Per length: its first code, how many codes there are, and the place of the first in `symbols`. */
  readonly first = new Int32Array(LONGEST + 1);
  readonly number = new Int32Array(LONGEST + 1);
  readonly place = new Int32Array(LONGEST + 1);

  constructor() {
    const single = new Int32Array(1 << WINDOW);
    for (let length = 1, code = 0, place = 0; length <= LONGEST; length++, code *= 2) {
      this.first[length] = code;
      this.place[length] = place;
      codeLengths.forEach((of, symbol) => {
        if (of !== length) return;
        this.symbols[place++] = symbol;
        const spare = WINDOW - length;
        if (spare >= 0) single.fill(symbol | (length << 16), code << spare, (code + 1) << spare);
        code++;
      });
      this.number[length] = code - this.first[length]!;
    }
    for (let window = 0; window <= ALL; window++) {
      const one = single[window]!;
      const bits = one >>> 16;
      const two = single[(window << bits) & ALL]!;
      const both = bits + (two >>> 16);
      this.windows[window] =
        bits === 0 || two === 0 || both > WINDOW
          ? one | (bits << 20)
          : (one & 0xff) | ((two & 0xff) << 8) | (bits << 16) | (both << 20);
    }
  }
}

let codes: Codes | undefined;

/**
 * Decodes buf[start, end) to `dst` at `at`, as far as `limit`. Gives the length of the whole text, or -1 when it has the
 * code of EOS, or padding that is not less than eight bits of ones.
 */
export function decodeHuffman(
  buf: Uint8Array,
  start: number,
  end: number,
  dst: Uint8Array,
  at: number,
  limit: number,
): number {
  codes ??= new Codes();
  const { windows } = codes;
  let p = start;
  let w = at;
  // The low `bits` of these are still to be decoded; what is above them does not matter.
  let held = 0;
  let bits = 0;
  for (;;) {
    while (bits < WINDOW && p < end) {
      held = (held << 8) | buf[p++]!;
      bits += 8;
    }
    if (bits < WINDOW) break;
    const entry = windows[(held >>> (bits - WINDOW)) & ALL]!;
    if (entry === 0) {
      const from = p * 8 - bits;
      const found = longCode(codes, buf, from, end * 8);
      if (found < 0) return -1;
      if (w < limit) dst[w] = found >>> 5;
      w++;
      const behind = from + (found & 31);
      p = (behind + 7) >>> 3;
      bits = p * 8 - behind;
      held = buf[p - 1]!;
      continue;
    }
    const both = entry >>> 20;
    if (w < limit) dst[w] = entry & 0xff;
    w++;
    if (both !== ((entry >>> 16) & 15)) {
      if (w < limit) dst[w] = (entry >>> 8) & 0xff;
      w++;
    }
    bits -= both;
  }
  while (bits > 0) {
    const entry = windows[((held << (WINDOW - bits)) | (ALL >>> bits)) & ALL]!;
    const length = (entry >>> 16) & 15;
    if (length === 0 || length > bits) break;
    if (w < limit) dst[w] = entry & 0xff;
    w++;
    bits -= length;
  }
  const padding = (1 << bits) - 1;
  return bits < 8 && (held & padding) === padding ? w - at : -1;
}

/** The octet whose code begins at bit `from`, above the five bits of its length; -1 for EOS or when the code is cut off. */
function longCode(codes: Codes, buf: Uint8Array, from: number, end: number): number {
  let code = 0;
  for (let length = 1; length <= LONGEST && from + length <= end; length++) {
    const bit = from + length - 1;
    code = (code << 1) | ((buf[bit >>> 3]! >>> (7 - (bit & 7))) & 1);
    const place = code - codes.first[length]!;
    if (place >= codes.number[length]!) continue;
    const symbol = codes.symbols[codes.place[length]! + place]!;
    return symbol === EOS ? -1 : (symbol << 5) | length;
  }
  return -1;
}
