/**
 * Integers of HPACK (RFC 7541 section 5.1): a prefix in the first octet, and when that is all ones, octets of seven bits,
 * the least first. Most fit in the prefix, so readers look at it themselves and come here for the others.
 */

/** More say nothing that a header block could mean: five hold 35 bits, which a double keeps exactly. */
const MAX_CONTINUATION = 5;

/** Position behind the integer that begins at p with a full prefix; -1 when it does not end before `end` or is too long. */
export function integerEnd(buf: Uint8Array, p: number, end: number): number {
  const last = Math.min(end, p + 1 + MAX_CONTINUATION);
  for (let i = p + 1; i < last; i++) if (buf[i]! < 0x80) return i + 1;
  return -1;
}

/** The integer whose octets are [p, behind), with a full prefix of the value `mask`. */
export function integerAt(buf: Uint8Array, p: number, behind: number, mask: number): number {
  let value = mask;
  // Not by shifts: those would lose what does not fit in 32 bits, and a length would become another one.
  for (let i = p + 1, unit = 1; i < behind; i++, unit *= 128) value += (buf[i]! & 0x7f) * unit;
  return value;
}

/** Writes `value` behind the bits `pattern` of the first octet, whose prefix has the full value `mask`. */
export function writeInteger(dst: Uint8Array, at: number, pattern: number, mask: number, value: number): number {
  if (value < mask) {
    dst[at] = pattern | value;
    return at + 1;
  }
  dst[at++] = pattern | mask;
  let rest = value - mask;
  for (; rest > 0x7f; rest >>>= 7) dst[at++] = (rest & 0x7f) | 0x80;
  dst[at++] = rest;
  return at;
}
