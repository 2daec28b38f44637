import type { z } from 'zod';
import { type Issue, Issues } from '../lib/issues.ts';
import { envelopeSchema } from './envelope.ts';
import { issueText, oneOf } from './issue-text.ts';
import type { KindSchema } from './policy.ts';
import type { Resource } from './resource.ts';
import { type Position, parseYaml } from './yaml.ts';

export interface ParsedResource {
  readonly resource: Resource;
  /** As it was written, before defaults and units: what is sent to a control plane, which parses it again. */
  readonly raw: unknown;
  /** Counted from 0 over all resources of the text. */
  readonly index: number;
  /** Where the value of a path (`spec.rules[0].name`) stands, or what is nearest to it. Lines and columns count from 1. */
  position(path: string): Position;
}

type Schemas = ReadonlyMap<string, KindSchema>;

/** Of one resource; more would help nobody, and finding their places takes time. */
const maxIssues = 100;

/**
 * Reads all resources of a text: YAML (one or more documents) or JSON. Gives every problem with its place; what is
 * wrong in one resource does not hide the others. A `List` as Kubernetes writes it stands for its items.
 */
export function parseDocuments(
  text: string,
  file: string,
  schemas: Schemas,
): { readonly resources: readonly ParsedResource[]; readonly issues: readonly Issue[] } {
  const resources: ParsedResource[] = [];
  const issues: Issue[] = [];
  let index = 0;
  for (const document of parseYaml(text)) {
    for (const { message, line, column } of document.problems) issues.push({ path: '', message, file, line, column });
    if (document.problems.length > 0 || document.value === undefined) continue;
    for (const [prefix, raw] of itemsOf(document.value)) {
      const found = new Issues();
      const unknown = new Set<Issue>();
      const resource = parse(raw, schemas, found, index, unknown);
      const position = (path: string, key = false) => document.position(join(prefix, path), key);
      for (const issue of found.list)
        issues.push({ ...issue, path: join(prefix, issue.path), file, ...position(issue.path, unknown.has(issue)) });
      if (resource !== undefined) resources.push({ resource, raw, index, position: (path) => position(path) });
      index++;
    }
  }
  issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  return { resources, issues };
}

/** The same checks for a value that came without a text, such as the body of an API call. undefined: issues were added. */
export function parseResource(raw: unknown, schemas: Schemas, issues: Issues, index: number): Resource | undefined {
  return parse(raw, schemas, issues, index, new Set());
}

/** `unknown` gathers the issues about fields that do not exist: their place is the key, not the value. */
function parse(
  raw: unknown,
  schemas: Schemas,
  issues: Issues,
  index: number,
  unknown: Set<Issue>,
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

/** The value itself, or the items of a `List`, each with its path. */
function itemsOf(value: unknown): readonly (readonly [prefix: string, raw: unknown])[] {
  const list = value as { kind?: unknown; items?: unknown } | null;
  if (typeof list !== 'object' || list?.kind !== 'List' || !Array.isArray(list.items)) return [['', value]];
  return list.items.map((item, i) => [`items[${i}]`, item] as const);
}

/** `spec.rules[0].name` from a base and the steps under it. */
export function pathText(base: string, steps: readonly PropertyKey[]): string {
  let path = base;
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`;
    else path = join(path, String(step));
  }
  return path;
}

const join = (base: string, rest: string): string => (base === '' || rest === '' ? base + rest : `${base}.${rest}`);
