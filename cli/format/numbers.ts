/** How long ago, in the largest unit that says enough: `8s`, `3m`, `5h`, `12d`. */
export function age(iso: string, nowMs = Date.now()): string {
  const ms = nowMs - Date.parse(iso);
  if (Number.isNaN(ms)) return '-';
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** Milliseconds with three digits that count. */
export const millis = (ms: number): string =>
  ms === 0 ? '-' : ms < 10 ? `${ms.toFixed(2)}ms` : ms < 100 ? `${ms.toFixed(1)}ms` : `${Math.round(ms)}ms`;

/** Never rounds up to 100 %: that is said only when nothing failed. */
export function successRate(requests: number, failures: number): string {
  if (requests === 0) return '-';
  if (failures === 0) return '100%';
  return `${Math.min(99.99, ((requests - failures) / requests) * 100).toFixed(2)}%`;
}

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
