const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Milliseconds of a duration such as `250ms`, `1.5s`, `1h30m` (the form of the Kubernetes Gateway API, with a fraction
 * allowed). `0s` is 0. Gives undefined for anything else: a bare number has no unit and is refused.
 */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h)){1,4}$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) total += Number(amount) * unitMs[unit!]!;
  return Math.round(total);
}

/** The shortest text that `parseDuration` reads back to the same number. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const unit of ['h', 'm', 's'] as const) if (ms % unitMs[unit]! === 0) return `${ms / unitMs[unit]!}${unit}`;
  return `${ms}ms`;
}
