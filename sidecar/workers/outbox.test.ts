import { manualClock } from '../../lib/clock.ts';
import { Outbox } from './outbox.ts';

function outboxOf(delayMs: number, most = 3) {
  const clock = manualClock();
  const sent: (readonly number[])[] = [];
  const outbox = new Outbox<number>({ send: (batch) => sent.push(batch), most, delayMs, clock });
  return { outbox, sent, clock };
}

test('one batch is under way; what comes meanwhile is the next', () => {
  const { outbox, sent } = outboxOf(0);
  for (const one of [1, 2, 3]) expect(outbox.add(one)).toBe(true);
  expect(sent).toEqual([[1]]);
  outbox.taken();
  expect(sent).toEqual([[1], [2, 3]]);
  outbox.taken();
  outbox.taken();
  expect(sent).toHaveLength(2);
});

test('beyond the bound nothing is taken until there is room', () => {
  const { outbox, sent } = outboxOf(0);
  expect([1, 2, 3, 4, 5].map((one) => outbox.add(one))).toEqual([true, true, true, true, false]);
  outbox.taken();
  expect(outbox.add(6)).toBe(true);
  outbox.taken();
  expect(sent).toEqual([[1], [2, 3, 4], [6]]);
});

test('with a delay it gathers first', () => {
  const { outbox, sent, clock } = outboxOf(100);
  outbox.add(1);
  clock.advance(99);
  outbox.add(2);
  expect(sent).toEqual([]);
  clock.advance(1);
  expect(sent).toEqual([[1, 2]]);
  outbox.add(3);
  outbox.taken();
  expect(sent).toHaveLength(1);
  clock.advance(100);
  expect(sent).toEqual([[1, 2], [3]]);
});

test('closing waits until all has been taken, for a second at most', async () => {
  const { outbox, sent, clock } = outboxOf(100);
  outbox.add(1);
  const closed = outbox.close();
  expect(sent).toEqual([[1]]);
  outbox.taken();
  await closed;
  outbox.add(2);
  const late = outbox.close();
  clock.advance(1000);
  await late;
  expect(sent).toEqual([[1], [2]]);
});
