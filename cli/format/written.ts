import { formatDuration } from '../../lib/duration.ts';

/**
 * A normalised spec as one would write it: in the normalised form every duration is a number of milliseconds under a
 * name that ends in `Ms`, in a file it is `3s` under the name without. What `get` prints can be applied again.
 */
export function asWritten(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asWritten);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) =>
      isDuration(name, inner) ? [name.slice(0, -2), formatDuration(inner)] : [name, asWritten(inner)],
    ),
  );
}

/** The same for one field of a change: its path and value. */
export function fieldAsWritten(path: string, value: unknown): readonly [path: string, value: unknown] {
  return isDuration(path, value) ? [path.slice(0, -2), formatDuration(value)] : [path, asWritten(value)];
}

const isDuration = (name: string, value: unknown): value is number =>
  /[a-z]Ms$/.test(name) && typeof value === 'number';
