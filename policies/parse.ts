import type { z } from 'zod';
import { type Issue, Issues } from '../lib/issues.ts';
import { envelopeSchema } from './envelope.ts';
import { issueText, oneOf } from './issue-text.ts';
import type { KindSchema } from './policy.ts';
import type { Resource } from './resource.ts';

export type Schemas = ReadonlyMap<string, KindSchema>;

/** Of one resource; more would help nobody, and finding their places takes time. */
const maxIssues = 100;

/**
 * Checks a value by its kind. undefined: issues were added, with paths such as `spec.rules[0].name` and `index` as the
 * resource. `unknown` gathers those about fields that do not exist: their place is the key, not the value.
 */
export function parseResource(
  raw: unknown,
  schemas: Schemas,
  issues: Issues,
  index: number,
  unknown: Set<Issue> = new Set(),
): Resource | undefined {
  const before = issues.list.length;
  const add = (path: string, message: string): boolean => {
    const room = before + maxIssues - issues.list.length;
    if (room > 0) issues.add(path, message, { resource: index });
    else if (room === 0) issues.add('', 'has more problems, which are not told here', { resource: index });
    return room > 0;
  };
  const report = (prefix: string, found: readonly z.core.$ZodIssue[]) => {
    for (const issue of found) {
      const path = pathText(prefix, issue.path);
      const unknownKeys = issue.code === 'unrecognized_keys' ? issue.keys : [];
      if (issue.code !== 'unrecognized_keys' && !add(path, issue.message)) return;
      const lines = issue.message.split('\n');
      for (const [i, key] of unknownKeys.entries()) {
        if (!add(pathText(path, [key]), lines[i] ?? '')) return;
        unknown.add(issues.list.at(-1)!);
      }
    }
  };
  const envelope = envelopeSchema.safeParse(raw, { error: issueText });
  if (!envelope.success) report('', envelope.error.issues);
  const given = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
  if (typeof given.kind !== 'string') return undefined;
  const schema = schemas.get(given.kind);
  if (schema === undefined) {
    add('kind', oneOf([...schemas.keys()], given.kind));
    return undefined;
  }
  if (typeof given.apiVersion === 'string' && !schema.apiVersions.includes(given.apiVersion))
    add('apiVersion', oneOf(schema.apiVersions, given.apiVersion));
  const spec = schema.spec.safeParse(given.spec, { error: issueText });
  if (!spec.success) report('spec', spec.error.issues);
  if (!envelope.success || !spec.success) return undefined;
  const { kind, metadata } = envelope.data;
  const resource: Resource = { apiVersion: schema.apiVersions[0], kind, metadata, spec: spec.data };
  const checked = new Issues();
  schema.check?.(resource, checked);
  for (const issue of checked.list) add(issue.path, issue.message);
  return issues.list.length === before ? resource : undefined;
}

/** `spec.rules[0].name` from a base and the steps under it. */
export function pathText(base: string, steps: readonly PropertyKey[]): string {
  let path = base;
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`;
    else path = joinPath(path, String(step));
  }
  return path;
}

export const joinPath = (base: string, rest: string): string =>
  base === '' || rest === '' ? base + rest : `${base}.${rest}`;
