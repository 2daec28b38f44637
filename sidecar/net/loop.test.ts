import { systemClock } from '../../lib/clock.ts';
import { until } from '../../test/harness/until.ts';
import { Loop } from './loop.ts';

test('it tells once how late it was: as long as something has kept it from its sweep', async () => {
  const loop = new Loop(systemClock);
  let sweeps = 0;
  const watched = { deadlineMs: 0, watchIndex: -1, onDeadline: () => void sweeps++ };
  loop.watch(watched);
  await until('it sweeps', () => sweeps > 0);
  loop.takeLateMs();
  const before = sweeps;
  const end = performance.now() + 300;
  while (performance.now() < end);
  await until('it sweeps again', () => sweeps > before);
  expect(loop.takeLateMs()).toBeGreaterThan(250);
  expect(loop.takeLateMs()).toBe(0);
  loop.close();
});

test('without anybody to watch it is never late', () => {
  const loop = new Loop(systemClock);
  const end = performance.now() + 100;
  while (performance.now() < end);
  expect(loop.takeLateMs()).toBe(0);
  loop.close();
});
