import fc from 'fast-check';
import { type Attached, conflicts, effective, originText } from './effective.ts';
import { meshTarget, type Target } from './resource.ts';

const mesh = meshTarget;
const namespace: Target = { kind: 'Namespace', namespace: '', name: 'shop' };
const service: Target = { kind: 'Service', namespace: 'shop', name: 'cart' };
const route: Target = { kind: 'Route', namespace: 'shop', name: 'cart' };
const chain = [mesh, namespace, service, route];

const policy = (name: string, targets: Target[], spec: Record<string, unknown>): Attached => ({
  resource: {
    apiVersion: 'weft.dev/v1',
    kind: 'P',
    metadata: { name, namespace: 'shop' },
    spec: { targetRefs: [], ...spec },
  },
  targets,
});

const builtin = { a: 1, list: [1, 2], deep: { x: 1, y: 1 } };

test('without policies the builtin is in force', () => {
  const { spec, origins } = effective('P', builtin, [], chain);
  expect(spec).toEqual(builtin);
  expect([...origins]).toEqual([
    ['a', 'builtin'],
    ['list', 'builtin'],
    ['deep.x', 'builtin'],
    ['deep.y', 'builtin'],
  ]);
});

test('the most specific target wins field by field, objects merge and lists replace', () => {
  const { spec, origins } = effective(
    'P',
    builtin,
    [
      policy('r', [route], { deep: { y: 4 } }),
      policy('m', [mesh], { a: 2, list: [9], deep: { x: 2, y: 2 } }),
      policy('s', [service], { a: 3 }),
    ],
    chain,
  );
  expect(spec).toEqual({ a: 3, list: [9], deep: { x: 2, y: 4 } });
  expect(Object.fromEntries(origins)).toEqual({
    a: 'P shop/s',
    list: 'P shop/m',
    'deep.x': 'P shop/m',
    'deep.y': 'P shop/r',
  });
});

test('policies of other kinds and on other targets play no part', () => {
  const elsewhere = { ...service, name: 'web' };
  const merged = effective('P', builtin, [policy('s', [elsewhere], { a: 3 })], chain);
  expect(merged.spec).toEqual(builtin);
  expect(originText(merged)).toBe('');
  expect(effective('Q', builtin, [policy('s', [service], { a: 3 })], chain).spec).toEqual(builtin);
});

test('of two policies on one target the first by name wins, and the conflict is told', () => {
  const policies = [policy('b', [service], { a: 2, deep: { x: 2 } }), policy('a', [service], { a: 1, deep: { y: 1 } })];
  const merged = effective('P', {}, policies, chain);
  expect(merged.spec).toEqual({ a: 1, deep: { x: 2, y: 1 } });
  expect(originText(merged)).toBe('P shop/a, P shop/b');
  expect(conflicts(policies)).toEqual([
    { target: service, path: 'spec.a', winner: policies[1]!.resource, loser: policies[0]!.resource },
  ]);
});

test('policies that say the same, or of different targets, are no conflict', () => {
  expect(conflicts([policy('a', [service], { a: 1 }), policy('b', [service], { a: 1 })])).toEqual([]);
  expect(conflicts([policy('a', [service], { a: 1 }), policy('b', [mesh], { a: 2 })])).toEqual([]);
});

test('a field called __proto__ stays a field', () => {
  const spec = JSON.parse('{"__proto__": {"a": 1}}') as Record<string, unknown>;
  const merged = effective('P', {}, [policy('a', [mesh], spec)], chain);
  expect(Object.getPrototypeOf(merged.spec)).toBe(Object.prototype);
  expect(Object.keys(merged.spec)).toEqual(['__proto__']);
});

describe('for any policies', () => {
  const leaf = fc.integer({ min: 0, max: 5 });
  const spec = fc.record(
    {
      a: leaf,
      b: fc.array(leaf, { maxLength: 2 }),
      deep: fc.record({ x: leaf, y: leaf, z: fc.record({ w: leaf }, { requiredKeys: [] }) }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  const policies = fc
    .uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, maxLength: 3 }),
        targets: fc.subarray(chain, { minLength: 1 }),
        spec,
      }),
      {
        selector: ({ name }) => name,
        maxLength: 6,
      },
    )
    .map((list) => list.map(({ name, targets, spec }) => policy(name, targets, spec)));
  const merge = (given: readonly Attached[]) => {
    const { spec, origins } = effective('P', builtin, given, chain);
    return { spec, origins: Object.fromEntries(origins) };
  };
  const at = (value: unknown, path: string): unknown =>
    path.split('.').reduce<unknown>((inner, field) => (inner as Record<string, unknown> | undefined)?.[field], value);

  test('the order in which they are given does not matter', () => {
    const shuffled = policies.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(fc.property(shuffled, ([list, other]) => expect(merge(other)).toEqual(merge(list))));
  });

  test('giving one twice is giving it once', () => {
    fc.assert(fc.property(policies, (list) => expect(merge([...list, ...list])).toEqual(merge(list))));
  });

  test('merging the result again changes nothing', () => {
    fc.assert(
      fc.property(policies, (list) => {
        const once = effective('P', builtin, list, chain);
        expect(effective('P', once.spec, [], chain).spec).toEqual(once.spec);
        expect(effective('P', builtin, [policy('x', [mesh], once.spec)], chain).spec).toEqual(once.spec);
      }),
    );
  });

  test('every value is that of its origin, and no policy of a more specific target sets it', () => {
    fc.assert(
      fc.property(policies, (list) => {
        const { spec, origins } = effective('P', builtin, list, chain);
        for (const [path, origin] of origins) {
          const from = list.find(({ resource }) => `P shop/${resource.metadata.name}` === origin);
          expect(at(spec, path)).toEqual(at(from?.resource.spec ?? builtin, path));
          const rank = (one: Attached | undefined) =>
            Math.max(-1, ...(one?.targets ?? []).map((target) => chain.indexOf(target)));
          for (const other of list)
            if (at(other.resource.spec, path) !== undefined) expect(rank(other)).toBeLessThanOrEqual(rank(from));
        }
      }),
    );
  });
});
