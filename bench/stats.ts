/** The middle value, and how far the others lie around it. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Throws a RangeError when there is nothing to summarise: an empty series is never a zero. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/**
 * How many times `a` costs what `b` costs, round by round: both were measured next to each other in time, so that what
 * the machine did meanwhile weighs on both. Rounds that lack either value are left out.
 */
export function ratios(a: readonly (number | undefined)[], b: readonly (number | undefined)[]): readonly number[] {
  const found: number[] = [];
  for (const [round, over] of a.entries()) {
    const under = b[round];
    if (over !== undefined && under !== undefined && under > 0) found.push(over / under);
  }
  return found;
}
