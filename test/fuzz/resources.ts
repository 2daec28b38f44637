import { deepStrictEqual, ok } from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Issues } from '../../lib/issues.ts';
import type { Random } from '../../lib/random.ts';
import { parseDocuments } from '../../policies/documents.ts';
import { loadSchemas } from '../../policies/load.ts';
import { parseResource } from '../../policies/parse.ts';
import { mutate } from './mutate.ts';

const root = join(import.meta.dirname, '..', '..');
const seeds = globSync(['policies/*/example.yaml', 'examples/**/*.yaml'], { cwd: root })
  .sort()
  .map((path) => readFileSync(join(root, path), 'utf8'));
const words = [
  ...[
    '\n',
    '\n  ',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&a ',
    '*a',
    '<<: *a',
    '|',
    '>',
    '---\n',
    '#',
    '!!js ',
    '\t',
  ],
  ...['null', '~', 'true', '-1', '1e999', '0x10', '.nan', '5s', '-5s', '99999999h', '', '__proto__', 'constructor'],
  ...['kind: HTTPRoute', 'spec:', 'name: ', '(a+)+$', '*.', 'é', '\ud800', 'default/web', 'targetRefs: []'],
];
const schemas = await loadSchemas();

/** Any text is resources or problems with their places, and never an exception. */
export function fuzzResources(random: Random): string {
  const text = mutate(random, seeds, words);
  const { resources, issues } = parseDocuments(text, 'fuzz.yaml', schemas);
  for (const { message, line, column } of issues)
    ok(message !== '' && line !== undefined && line >= 1 && column !== undefined && column >= 1, message);
  for (const { resource, raw, index } of resources) {
    const again = new Issues();
    deepStrictEqual(parseResource(raw, schemas, again, index), resource);
    deepStrictEqual(again.list, []);
  }
  return issues.length > 0 ? 'refused' : 'let pass';
}
