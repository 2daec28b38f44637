/** One value of a DER encoding (X.690): where it lies in its buffer, header left out. */
export interface Der {
  readonly tag: number;
  /** First octet of the content. */
  readonly start: number;
  /** One past the last octet of the content. */
  readonly end: number;
}

/** The bytes are not DER. The message never quotes them. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  /** [n], constructed: explicit tags of certificates. */
  context: (n: number) => 0xa0 | n,
} as const;

/**
 * Reads the value that begins at `at` and must end at or before `end`. Strict: definite and shortest lengths and single
 * octet tags only (X.690 10.1, 8.1.2.2), so that no two parsers can read one certificate differently.
 */
function readDer(bytes: Uint8Array, at = 0, end = bytes.length): Der {
  if (at + 2 > end) throw new DerError('a value is cut short');
  const tag = bytes[at]!;
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag has more than one octet');
  let length = bytes[at + 1]!;
  let start = at + 2;
  if (length >= 0x80) {
    const octets = length & 0x7f;
    if (octets === 0 || octets > 3) throw new DerError('a length is indefinite or too large');
    if (start + octets > end) throw new DerError('a length is cut short');
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + bytes[start + i]!;
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw new DerError('a length is not in its shortest form');
    start += octets;
  }
  if (start + length > end) throw new DerError('a value is longer than what holds it');
  return { tag, start, end: start + length };
}

/** Reads a value that must fill the bytes exactly and have this tag. */
export function readWhole(bytes: Uint8Array, tag: number): Der {
  const der = expectTag(readDer(bytes), tag);
  if (der.end !== bytes.length) throw new DerError('there is something after the end');
  return der;
}

/** The values inside a constructed one, in order; at most `max`. */
export function childrenOf(bytes: Uint8Array, parent: Der, max = 64): readonly Der[] {
  const children: Der[] = [];
  for (let at = parent.start; at < parent.end; ) {
    if (children.length === max) throw new DerError('there are too many values in one');
    const child = readDer(bytes, at, parent.end);
    children.push(child);
    at = child.end;
  }
  return children;
}

export function expectTag(der: Der | undefined, tag: number): Der {
  if (der?.tag !== tag) throw new DerError('a value has another type than its place asks for');
  return der;
}

export const contentOf = (bytes: Uint8Array, der: Der): Uint8Array => bytes.subarray(der.start, der.end);

/** Encodes one value around its parts. */
export function writeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = [tag];
  if (length < 0x80) header.push(length);
  else if (length < 0x100) header.push(0x81, length);
  else if (length < 0x10000) header.push(0x82, length >>> 8, length & 0xff);
  else throw new DerError('a value is too large to write');
  return Buffer.concat([Uint8Array.from(header), ...parts]);
}
