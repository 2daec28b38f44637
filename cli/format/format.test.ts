import { renderChanges, summarise } from './changes.ts';
import { age, millis, successRate } from './numbers.ts';

const plainPaint = (_: string, text: string) => text;

test('changes are shown field by field, with what was and what is', () => {
  const key = { kind: 'TimeoutPolicy', namespace: 'default', name: 'shop' };
  const changes = [
    {
      op: 'create' as const,
      key,
      fields: [{ path: 'spec', after: { request: '3s', targetRefs: [{ kind: 'Mesh' }] } }],
    },
    { op: 'update' as const, key, fields: [{ path: 'spec.attempt', before: '250ms', after: '1500ms' }] },
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
