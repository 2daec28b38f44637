/** The known word that the given one is most likely a slip of, or undefined when none is near. Case does not count. */
function closest(given: string, known: readonly string[]): string | undefined {
  if (given.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(given.length / 3)) + 1;
  for (const word of known) {
    const found = distance(given.toLowerCase(), word.toLowerCase());
    if (found < bestDistance) [best, bestDistance] = [word, found];
  }
  return best;
}

/** `; did you mean 'x'?`, or nothing. */
export function didYouMean(given: string, known: readonly string[]): string {
  const near = closest(given, known);
  return near === undefined ? '' : `; did you mean '${near}'?`;
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
