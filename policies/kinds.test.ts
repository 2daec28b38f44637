import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { formatIssue, Issues } from '../lib/issues.ts';
import { parseDocuments } from './documents.ts';
import { kinds } from './index.ts';
import { loadSchemas } from './load.ts';
import { parseResource } from './parse.ts';
import { userForm } from './user-form.ts';

const schemas = await loadSchemas();

describe('every kind', () => {
  const examples = globSync('*/example.yaml', { cwd: import.meta.dirname }).sort();

  test('has a folder with an example that parses, and what is read can be written and read again', () => {
    const seen: string[] = [];
    for (const path of examples) {
      const { resources, issues } = parseDocuments(
        readFileSync(join(import.meta.dirname, path), 'utf8'),
        path,
        schemas,
      );
      expect(issues.map(formatIssue)).toEqual([]);
      for (const { resource } of resources) {
        seen.push(resource.kind);
        const again = new Issues();
        expect(parseResource({ ...resource, spec: userForm(resource.spec) }, schemas, again, 0)).toEqual(resource);
        expect(schemas.get(resource.kind)?.attaches(resource)).not.toEqual([]);
      }
    }
    expect(seen.sort()).toEqual(kinds.map(({ kind }) => kind).sort());
  });

  test('refuses any JSON without throwing', () => {
    const issuesOf = (raw: unknown) => {
      const issues = new Issues();
      const resource = parseResource(raw, schemas, issues, 0);
      expect(resource === undefined).toBe(!issues.ok);
      for (const issue of issues.list) expect(issue.message).not.toMatch(/undefined|\n|\[object/);
    };
    const words = [
      'spec',
      'kind',
      'name',
      'rules',
      'matches',
      'filters',
      'type',
      'targetRefs',
      'on',
      'ports',
      '__proto__',
      'constructor',
    ];
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.jsonValue(),
        fc.constantFrom('Service', 'Mesh', '1s', 80, 'URLRewrite'),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('value'), { maxLength: 3 }),
      object: fc.dictionary(fc.oneof(fc.constantFrom(...words), fc.string()), tie('value'), { maxKeys: 5 }),
    }));
    const kind = fc.constantFrom(...schemas.keys());
    fc.assert(fc.property(json.value, issuesOf), { numRuns: 300 });
    fc.assert(
      fc.property(kind, json.object, (kind, spec) =>
        issuesOf({ apiVersion: schemas.get(kind)!.apiVersions[0], kind, metadata: { name: 'x' }, spec }),
      ),
      { numRuns: 600 },
    );
  });

  test('refuses an example of which any one value was replaced, without throwing', () => {
    const originals = examples.map((path) => {
      const [parsed] = parseDocuments(readFileSync(join(import.meta.dirname, path), 'utf8'), path, schemas).resources;
      return { ...parsed!.resource, spec: userForm(parsed!.resource.spec) };
    });
    fc.assert(
      fc.property(fc.constantFrom(...originals), fc.nat(), fc.jsonValue({ maxDepth: 2 }), (original, at, value) => {
        const copy = structuredClone(original);
        replaceNth(copy, at, value);
        parseResource(copy, schemas, new Issues(), 0);
      }),
      { numRuns: 600 },
    );
  });

  test('any text is read without throwing', () => {
    const pieces = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '-',
      '[',
      ']',
      '{',
      '}',
      '&a',
      '*a',
      '"',
      "'",
      '|',
      '>',
      '!',
      '?',
      '#',
      '---\n',
      'kind: Service\n',
      '\t',
      ',',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (text) => {
        for (const issue of parseDocuments(text.join(''), 'f', schemas).issues) expect(issue.line).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

/** Puts `value` in the place of one of the values in a tree. */
function replaceNth(tree: object, at: number, value: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: Record<string, unknown>) => {
    for (const [key, inner] of Object.entries(node)) {
      places.push([node, key]);
      if (typeof inner === 'object' && inner !== null) walk(inner as Record<string, unknown>);
    }
  };
  walk(tree as Record<string, unknown>);
  const [node, key] = places[at % places.length]!;
  node[key] = value;
}
