import { keyText } from '../../policies/resource.ts';
import type { Change } from '../../proto/api/api.ts';
import { type Paint, plain } from '../terminal.ts';

const marks = { create: '+', update: '~', delete: '-' } as const;
const styles = { create: 'green', update: 'yellow', delete: 'red' } as const;

/** Each resource that changes, and under it every field with what it was and what it becomes. */
export function renderChanges(changes: readonly Change[], paint: Paint): string {
  const lines: string[] = [];
  for (const { op, key, fields } of changes) {
    lines.push(paint(styles[op], `${marks[op]} ${plain(keyText(key))}`));
    for (const { path, before, after } of fields) {
      for (const line of leaves(path, before)) lines.push(paint('red', `    - ${line}`));
      for (const line of leaves(path, after)) lines.push(paint('green', `    + ${line}`));
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** `1 to create, 2 to update` or `1 created, 2 updated`; what there is none of is not mentioned. */
export function summarise(changes: readonly Change[], done: boolean): string {
  const ops = ['create', 'update', 'delete'] as const;
  const parts = ops.flatMap((op) => {
    const n = changes.filter((change) => change.op === op).length;
    return n === 0 ? [] : [done ? `${n} ${op}d` : `${n} to ${op}`];
  });
  return parts.length === 0 ? 'no changes' : parts.join(', ');
}

/** A value as lines of `path: value`, one for each leaf. */
function leaves(path: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return [`${plain(path)}: ${plain(JSON.stringify(value))}`];
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves(Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, inner),
  );
}
