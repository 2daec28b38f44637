import { formatDuration } from '../lib/duration.ts';

/**
 * A spec as people write it, from its normalised form: `requestMs: 1500` becomes `request: 1500ms`. What it gives can be
 * applied again and parses to the same spec. By convention, which the schemas keep: a number whose name ends in `Ms` is
 * a duration.
 */
export function userForm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(userForm);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]) =>
      isDuration(field, inner) ? [field.slice(0, -2), formatDuration(inner)] : [field, userForm(inner)],
    ),
  );
}

/** The path of a field in that form, from its path in the normalised form: `backoff.baseMs` is `backoff.base`. */
export const userPath = (path: string): string => path.replace(/(?<=[a-z])Ms(?=[.[]|$)/g, '');

const isDuration = (field: string, value: unknown): value is number =>
  /[a-z]Ms$/.test(field) && typeof value === 'number';
