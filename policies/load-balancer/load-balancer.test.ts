import fc from 'fast-check';
import { seededRandom } from '../../lib/random.ts';
import { compileEnv } from '../../test/harness/compile-env.ts';
import { exchange } from '../../test/harness/exchange.ts';
import type { Balancer, Endpoint, Picker } from '../policy.ts';
import { filter } from './filter.ts';
import { leastRequest } from './least-request.ts';
import { roundRobin } from './round-robin.ts';
import { algorithms } from './spec.ts';

interface Loaded extends Endpoint {
  active: number;
}

const endpoint = (id: string, weight = 1, active = 0): Loaded => ({ id, weight, active, locality: '' });
const ex = exchange();
const ids = (picker: Picker, times: number): string =>
  Array.from({ length: times }, () => picker.pick(ex, [])?.id).join(' ');

function shares(picker: Picker, times: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { id } = picker.pick(ex, [])!;
    counts[id] = (counts[id] ?? 0) + 1 / times;
  }
  return counts;
}

const balancers = (): [string, Balancer][] =>
  algorithms.map((algorithm) => [algorithm, filter.compilePolicy!({ algorithm }, compileEnv()).balancer!]);

describe.each(balancers())('%s', (_, balancer) => {
  const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')];

  test('picks nothing from nothing, and the only one from one', () => {
    expect(balancer.build([]).pick(ex, [])).toBeUndefined();
    expect(balancer.build([endpoint('a', 0)]).pick(ex, [])).toBeUndefined();
    expect(balancer.build([a]).pick(ex, [])).toBe(a);
    expect(balancer.build([a]).pick(ex, [a])).toBe(a);
  });

  test('never picks weight 0', () => {
    const picker = balancer.build([endpoint('z', 0), a, b]);
    expect(ids(picker, 200)).not.toContain('z');
  });

  test('avoids what was tried while there are others', () => {
    const picker = balancer.build([a, b, c]);
    for (let i = 0; i < 100; i++) {
      expect(picker.pick(ex, [a])).not.toBe(a);
      expect(picker.pick(ex, [a, c])).toBe(b);
      expect(picker.pick(ex, [c, a, b])).toBeDefined();
    }
  });

  test('shares out by weight', () => {
    const counts = shares(balancer.build([endpoint('a', 1), endpoint('b', 2), endpoint('c', 7)]), 20_000);
    expect(counts.a).toBeCloseTo(0.1, 1);
    expect(counts.b).toBeCloseTo(0.2, 1);
    expect(counts.c).toBeCloseTo(0.7, 1);
  });

  test('for any endpoints picks one that is there and may take it', () => {
    const list = fc.uniqueArray(fc.record({ id: fc.string(), weight: fc.nat(5), active: fc.nat(3) }), {
      selector: ({ id }) => id,
      maxLength: 8,
    });
    const given = list.chain((all) =>
      fc.tuple(fc.constant(all.map((one) => ({ ...one, locality: '' }))), fc.subarray(all.map((_, i) => i))),
    );
    fc.assert(
      fc.property(given, ([all, triedAt]) => {
        const tried = triedAt.map((i) => all[i]!);
        const usable = all.filter((one) => one.weight > 0);
        const fresh = usable.filter((one) => !tried.includes(one));
        const picked = balancer.build(all).pick(ex, tried);
        if (usable.length === 0) expect(picked).toBeUndefined();
        else expect(fresh.length > 0 ? fresh : usable).toContain(picked);
      }),
    );
  });
});

describe('LeastRequest', () => {
  test('prefers the endpoint with fewer requests under way for its weight', () => {
    const build = (list: Endpoint[]) => leastRequest(seededRandom(7)).build(list);
    expect(shares(build([endpoint('a', 1, 5), endpoint('b', 1, 4)]), 5000).b).toBeGreaterThan(0.8);
    // 6 of weight 3 are less than 4 of weight 1.
    expect(shares(build([endpoint('a', 3, 6), endpoint('b', 1, 4)]), 5000).a).toBeGreaterThan(0.8);
  });

  test('never picks the most loaded of three while others do better', () => {
    const picker = leastRequest(seededRandom(7)).build([endpoint('a', 1, 9), endpoint('b', 1, 1), endpoint('c', 1, 0)]);
    // Two different ones are drawn, so the worst wins only when chance draws it again and again.
    expect(shares(picker, 5000).a ?? 0).toBeLessThan(0.02);
  });

  test('evens out requests that take long', () => {
    const list = Array.from({ length: 10 }, (_, i) => endpoint(`e${i}`));
    const picker = leastRequest(seededRandom(3)).build(list);
    for (let i = 0; i < 1000; i++) (picker.pick(ex, []) as Loaded).active++;
    expect(Math.max(...list.map((one) => one.active)) - Math.min(...list.map((one) => one.active))).toBeLessThan(8);
  });
});

describe('RoundRobin', () => {
  test('takes each in turn, spread out by weight', () => {
    expect(ids(roundRobin().build([endpoint('a'), endpoint('b'), endpoint('c')]), 6)).toBe('a b c a b c');
    expect(ids(roundRobin().build([endpoint('a', 5), endpoint('b', 1), endpoint('c', 1)]), 7)).toBe('a a b a c a a');
  });

  test('carries on where it was when endpoints come and go', () => {
    const [a, b, c, d] = [endpoint('a'), endpoint('b'), endpoint('c'), endpoint('d')];
    const first = roundRobin().build([a, b, c]);
    expect(ids(first, 2)).toBe('a b');
    expect(ids(roundRobin().build([a, b, c], first), 4)).toBe('c a b c');
    const second = roundRobin().build([a, b, c], first);
    const third = roundRobin().build([b, c, d], second);
    expect(new Set(ids(third, 3).split(' '))).toEqual(new Set(['b', 'c', 'd']));
  });

  test('starts anew after another balancer', () => {
    const list = [endpoint('a'), endpoint('b')];
    const other = leastRequest(seededRandom(1)).build(list);
    expect(ids(roundRobin().build(list, other), 2)).toBe('a b');
  });

  test('does not favour one for long after weights have changed', () => {
    const heavy = roundRobin().build([endpoint('a', 1000), endpoint('b', 1)]);
    ids(heavy, 3);
    const light = roundRobin().build([endpoint('a', 1), endpoint('b', 1)], heavy);
    expect(shares(light, 100).a).toBeCloseTo(0.5, 1);
  });
});

test('an algorithm that only a newer control plane knows is an issue', () => {
  const env = compileEnv();
  filter.compilePolicy!({ algorithm: 'Maglev' }, env);
  expect(env.issues.list).toEqual([
    { path: 'spec.algorithm', message: 'this sidecar does not know the algorithm Maglev' },
  ]);
});
