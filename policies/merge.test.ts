import { inOrder, mergeLayers, rankOf } from './merge.ts';
import type { Resource } from './resource.ts';

test('the later layer wins field by field, within objects too, and each value knows who said it', () => {
  const { spec, fields } = mergeLayers([
    { origin: 'builtin', spec: { retries: 2, on: ['reset'], backoff: { baseMs: 25, maxMs: 250 } } },
    {
      origin: 'RetryPolicy default/mesh',
      spec: { targetRefs: [{ kind: 'Mesh' }], retries: 3, backoff: { maxMs: 500 } },
    },
    { origin: 'RetryPolicy default/cart', spec: { targetRefs: [{ kind: 'Service', name: 'cart' }], on: [503] } },
  ]);
  expect(spec).toEqual({ retries: 3, on: [503], backoff: { baseMs: 25, maxMs: 500 } });
  expect(Object.fromEntries(fields.map(({ path, origin }) => [path, origin]))).toEqual({
    retries: 'RetryPolicy default/mesh',
    on: 'RetryPolicy default/cart',
    'backoff.baseMs': 'builtin',
    'backoff.maxMs': 'RetryPolicy default/mesh',
  });
});

test('a layer is never changed by what comes over it', () => {
  const builtin = { backoff: { baseMs: 25 } };
  mergeLayers([
    { origin: 'builtin', spec: builtin },
    { origin: 'x', spec: { backoff: { baseMs: 1 } } },
  ]);
  expect(builtin).toEqual({ backoff: { baseMs: 25 } });
});

test.each([
  [{ kind: 'Mesh', namespace: '', name: '' }, 0],
  [{ kind: 'Namespace', namespace: '', name: 'shop' }, 1],
  [{ kind: 'Namespace', namespace: '', name: 'other' }, undefined],
  [{ kind: 'Service', namespace: 'shop', name: 'cart' }, 2],
  [{ kind: 'Service', namespace: 'default', name: 'cart' }, undefined],
  [{ kind: 'Route', namespace: 'shop', name: 'split' }, 3],
  [{ kind: 'Route', namespace: 'shop', name: 'another' }, undefined],
] as const)('target %j has rank %p for shop/cart on route shop/split', (target, rank) => {
  expect(rankOf(target, { namespace: 'shop', name: 'cart' }, { namespace: 'shop', name: 'split' })).toBe(rank);
});

test('of two policies on the same target the one whose name comes first wins, whatever the order they came in', () => {
  const named = (name: string, rank: number) => ({
    resource: { apiVersion: 'v', kind: 'K', metadata: { name, namespace: 'default' }, spec: {} } satisfies Resource,
    rank,
  });
  const order = (list: ReturnType<typeof named>[]) => inOrder(list).map(({ resource }) => resource.metadata.name);
  expect(order([named('a', 1), named('b', 1), named('z', 0)])).toEqual(['z', 'b', 'a']);
  expect(order([named('b', 1), named('z', 0), named('a', 1)])).toEqual(['z', 'b', 'a']);
});
