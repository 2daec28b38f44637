import { seededRandom } from '../../../lib/random.ts';
import { type SessionUnderTest, startSession, TestStream } from '../../../test/harness/h2-session.ts';
import { StreamTable } from './stream-table.ts';

let under: SessionUnderTest;
beforeEach(async () => {
  under = await startSession();
});
afterEach(() => under[Symbol.asyncDispose]());

const stream = (id: number): TestStream => {
  const one = new TestStream(under.session);
  one.id = id;
  return one;
};
const ids = (table: StreamTable): number[] => table.all().map(({ id }) => id);

test('a table finds what a map would find, whatever comes and goes', () => {
  const random = seededRandom(4);
  const table = new StreamTable();
  const map = new Map<number, TestStream>();
  let next = 1;
  for (let step = 0; step < 20_000; step++) {
    if (random.below(100) < 51) {
      const one = stream(next);
      next += 2 * (1 + random.below(40));
      table.add(one);
      map.set(one.id, one);
    } else {
      const all = [...map.values()];
      // Often an old one: those stay in the way of younger ones.
      const one = all[random.below(2) === 0 ? 0 : random.below(all.length || 1)];
      if (one === undefined) continue;
      expect(table.delete(one)).toBe(true);
      expect(table.delete(one)).toBe(false);
      map.delete(one.id);
    }
    const asked = 1 + 2 * random.below(next);
    if (table.get(asked) !== map.get(asked) || table.size !== map.size) throw new Error(`step ${step}: ${asked}`);
  }
  expect(ids(table).sort((a, b) => a - b)).toEqual([...map.keys()]);
});

test('more streams than it has slots are all there', () => {
  const table = new StreamTable();
  for (let n = 0; n < 10_000; n++) table.add(stream(2 * n + 1));
  expect(table.size).toBe(10_000);
  for (let n = 0; n < 10_000; n++) if (table.get(2 * n + 1)?.id !== 2 * n + 1) throw new Error(`${n} is not there`);
});

test('another object of the same number is not taken out', () => {
  const table = new StreamTable();
  table.add(stream(1));
  expect([table.delete(stream(1)), table.size]).toEqual([false, 1]);
});

test('a walk over all of them may end and begin others', () => {
  const table = new StreamTable();
  for (const id of [1, 3, 33]) table.add(stream(id));
  const seen: number[] = [];
  for (const one of table.all()) {
    seen.push(one.id);
    table.delete(one);
    table.add(stream(one.id + 100));
  }
  expect([seen.sort((a, b) => a - b), ids(table).sort((a, b) => a - b)]).toEqual([
    [1, 3, 33],
    [101, 103, 133],
  ]);
  table.clear();
  expect([table.size, ids(table), table.get(101)]).toEqual([0, [], undefined]);
});
