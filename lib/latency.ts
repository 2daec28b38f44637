/**
 * Upper bounds of the latency histogram in microseconds, the same everywhere (metrics, reports, tables), so that
 * histograms can be added up. Roughly 1.5 times apart, which keeps the error of a percentile below a quarter.
 */
export const boundsUs: readonly number[] = [
  100, 150, 250, 400, 600, 1_000, 1_500, 2_500, 4_000, 6_000, 10_000, 15_000, 25_000, 40_000, 60_000, 100_000, 150_000,
  250_000, 400_000, 600_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/** The same in seconds, as metrics write them. */
export const boundTexts: readonly string[] = boundsUs.map((us) => String(us / 1e6));

/** Buckets, the last of which takes everything above the last bound. */
export const bucketCount = boundsUs.length + 1;

/** Index of the bucket for a latency. */
export function bucketOf(us: number): number {
  let low = 0;
  let high = boundsUs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (us <= boundsUs[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The latency in µs below which the share `q` (0…1) lies, interpolated within its bucket; 0 without any sample. */
export function quantileUs(buckets: ArrayLike<number>, q: number): number {
  let total = 0;
  for (let i = 0; i < buckets.length; i++) total += buckets[i]!;
  if (total === 0) return 0;
  let rest = q * total;
  for (let i = 0; i < buckets.length; i++) {
    const n = buckets[i]!;
    if (n > 0 && rest <= n) {
      const low = i === 0 ? 0 : boundsUs[i - 1]!;
      const high = boundsUs[i] ?? low * 2;
      return low + (high - low) * (rest / n);
    }
    rest -= n;
  }
  return boundsUs[boundsUs.length - 1]!;
}
