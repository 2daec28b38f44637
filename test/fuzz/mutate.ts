import type { Random } from '../../lib/random.ts';

const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!;

/**
 * A copy of one of the `seeds` with a few changes, often with words that mean something to the reader, and often where
 * a line begins: there they mean most.
 */
export function mutate(random: Random, seeds: readonly string[], words: readonly string[]): string {
  let text = pick(random, seeds);
  for (let left = 1 + random.below(1 + random.below(6)); left > 0; left--) {
    const somewhere = random.below(text.length + 1);
    const at = random.below(2) === 0 ? text.indexOf('\n', somewhere) + 1 : somewhere;
    const end = Math.min(text.length, at + 1 + random.below(8));
    const line = pick(random, pick(random, seeds).split(/(?<=\n)/));
    const middle = [
      () => '',
      () => String.fromCharCode(random.below(256)) + text.slice(at, end),
      () => String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))) + text.slice(at + 1, end),
      () => pick(random, words) + text.slice(at, end),
      () => pick(random, words),
      () => text.slice(at, end).repeat(2),
      () => line + text.slice(at, end),
    ];
    text = text.slice(0, at) + pick(random, middle)() + text.slice(end);
  }
  return text;
}

/** The same octets in pieces of random size. */
export function cut(random: Random, octets: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; ) {
    const end = at + 1 + random.below(random.below(4) === 0 ? 200 : 12);
    pieces.push(octets.subarray(at, end));
    at = end;
  }
  return pieces;
}
