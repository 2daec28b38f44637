/** Hashes of names and values, four octets at a time: taken one by one, each would wait for the one before. */
import { lower } from '../../message/octets.ts';

const FACTOR = 0x2c1b3c6d;

/** Of a name in any case. */
export function hashName(buf: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  let p = start;
  for (const fours = end - 3; p < fours; p += 4)
    hash =
      Math.imul(hash, FACTOR) +
      (lower[buf[p]!]! | (lower[buf[p + 1]!]! << 8) | (lower[buf[p + 2]!]! << 16) | (lower[buf[p + 3]!]! << 24));
  for (; p < end; p++) hash = Math.imul(hash, FACTOR) + lower[buf[p]!]!;
  return hash ^ (hash >>> 15);
}

/** Of a value, begun with what says the name. */
export function hashValue(name: number, view: DataView, start: number, end: number): number {
  let hash = Math.imul(name, FACTOR) + end - start;
  let p = start;
  for (const fours = end - 3; p < fours; p += 4) hash = Math.imul(hash, FACTOR) + view.getInt32(p, true);
  for (; p < end; p++) hash = Math.imul(hash, FACTOR) + view.getUint8(p);
  return hash ^ (hash >>> 15);
}

/** The same as `hashValue` for the same value as text. */
export function hashText(name: number, text: string): number {
  const { length } = text;
  let hash = Math.imul(name, FACTOR) + length;
  let i = 0;
  for (const fours = length - 3; i < fours; i += 4)
    hash =
      Math.imul(hash, FACTOR) +
      (text.charCodeAt(i) |
        (text.charCodeAt(i + 1) << 8) |
        (text.charCodeAt(i + 2) << 16) |
        (text.charCodeAt(i + 3) << 24));
  for (; i < length; i++) hash = Math.imul(hash, FACTOR) + text.charCodeAt(i);
  return hash ^ (hash >>> 15);
}
