import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../lib/canonical.ts';
import { Issues } from '../../lib/issues.ts';
import { loadSchemas } from '../../policies/load.ts';
import { parseDocuments, parseResource } from '../../policies/parse.ts';
import { renderChanges, summarise } from './changes.ts';
import { age, millis, successRate } from './numbers.ts';
import { asWritten } from './written.ts';

const plainPaint = (_: string, text: string) => text;

test('changes are shown field by field, in the units that people write', () => {
  const key = { kind: 'TimeoutPolicy', namespace: 'default', name: 'shop' };
  const changes = [
    {
      op: 'create' as const,
      key,
      fields: [{ path: 'spec', after: { requestMs: 3000, targetRefs: [{ kind: 'Mesh' }] } }],
    },
    { op: 'update' as const, key, fields: [{ path: 'spec.attemptMs', before: 250, after: 1500 }] },
    { op: 'delete' as const, key, fields: [] },
  ];
  expect(renderChanges(changes, plainPaint)).toBe(`+ TimeoutPolicy default/shop
    + spec.request: "3s"
    + spec.targetRefs[0].kind: "Mesh"
~ TimeoutPolicy default/shop
    - spec.attempt: "250ms"
    + spec.attempt: "1500ms"
- TimeoutPolicy default/shop
`);
  expect(summarise(changes, true)).toBe('1 created, 1 updated, 1 deleted');
  expect(summarise([], false)).toBe('no changes');
});

test('a normalised resource, written out again, means the same', async () => {
  const schemas = await loadSchemas();
  const text = await readFile(join(import.meta.dirname, '../../examples/shop/mesh.yaml'), 'utf8');
  const { resources } = parseDocuments(text.split('# Processes')[0]!, 'mesh.yaml', schemas);
  expect(resources.length).toBeGreaterThan(5);
  for (const { resource } of resources) {
    const issues = new Issues();
    const again = parseResource({ ...resource, spec: asWritten(resource.spec) }, schemas, issues, 0);
    expect(issues.list).toEqual([]);
    expect(canonicalJson(again)).toBe(canonicalJson(resource));
  }
});

test('ages, latencies and rates say as much as is known and no more', () => {
  const now = Date.UTC(2026, 0, 2);
  const before = (seconds: number) => age(new Date(now - seconds * 1000).toISOString(), now);
  expect([5, 119, 600, 9000, 900_000].map(before)).toEqual(['5s', '119s', '10m', '2h', '10d']);
  expect(age('never', now)).toBe('-');
  expect([0, 0.4, 12.345, 1234.5].map(millis)).toEqual(['-', '0.40ms', '12.3ms', '1235ms']);
  expect(successRate(0, 0)).toBe('-');
  expect(successRate(10, 0)).toBe('100%');
  expect(successRate(1_000_000, 1)).toBe('99.99%');
});
