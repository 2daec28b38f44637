import { type Issue, Issues } from '../lib/issues.ts';
import { joinPath, parseResource, type Schemas } from './parse.ts';
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
      const resource = parseResource(raw, schemas, found, index, unknown);
      const position = (path: string, key = false) => document.position(joinPath(prefix, path), key);
      for (const issue of found.list)
        issues.push({
          ...issue,
          path: joinPath(prefix, issue.path),
          file,
          ...position(issue.path, unknown.has(issue)),
        });
      if (resource !== undefined) resources.push({ resource, raw, index, position: (path) => position(path) });
      index++;
    }
  }
  issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  return { resources, issues };
}

/** The value itself, or the items of a `List`, each with its path. */
function itemsOf(value: unknown): readonly (readonly [prefix: string, raw: unknown])[] {
  const list = value as { kind?: unknown; items?: unknown } | null;
  if (typeof list !== 'object' || list?.kind !== 'List' || !Array.isArray(list.items)) return [['', value]];
  return list.items.map((item, i) => [`items[${i}]`, item] as const);
}
