import { Pressure } from './pressure.ts';

/** The rungs after each reading, one every 100 ms. */
function rungs(pressure: Pressure, readings: readonly number[]): number[] {
  let nowMs = 1000;
  return readings.map((value) => {
    nowMs += 100;
    return pressure.read(nowMs, value);
  });
}
const times = (count: number, value: number): number[] => Array<number>(count).fill(value);

test('without sustain a threshold that is met is a rung that is reached, at once', () => {
  expect(rungs(new Pressure([0.92, 0.95, 0.98], 0, 0.97), [0.5, 0.92, 0.951, 0.99])).toEqual([0, 1, 2, 3]);
  expect(rungs(new Pressure([0.92, 0.95, 0.98], 0, 0.97), [0.2, 0.99])).toEqual([0, 3]);
});

test('a threshold that must be met for a second is not met by a single pause, however long', () => {
  const pressure = new Pressure([100, 300], 1000, 1);
  expect(rungs(pressure, [...times(5, 0), 5000, ...times(20, 0)])).toEqual(times(26, 0));
  expect(rungs(pressure, [...times(10, 150), 0, ...times(10, 150)])).toEqual(times(21, 0));
});

test('a threshold that is met for a second is a rung; a higher one that is met for less is not', () => {
  const pressure = new Pressure([100, 300], 1000, 1);
  expect(rungs(pressure, [...times(5, 150), ...times(5, 400), 150])).toEqual([...times(10, 0), 1]);
  expect(rungs(new Pressure([100, 300], 1000, 1), times(11, 400))).toEqual([...times(10, 0), 2]);
});

test('it comes down one rung at a time, a second each, and not while the reading is near the threshold', () => {
  const pressure = new Pressure([0.92, 0.95, 0.98], 0, 0.97);
  expect(rungs(pressure, [0.99])).toEqual([3]);
  // 0.97 of 0.98 is 0.9506.
  expect(rungs(pressure, times(30, 0.952))).toEqual(times(30, 3));
  expect(rungs(pressure, times(11, 0.94)).slice(-2)).toEqual([3, 2]);
  expect(rungs(pressure, times(10, 0.93))).toEqual(times(10, 2));
  expect(rungs(pressure, times(32, 0.5))).toEqual([...times(10, 2), ...times(10, 1), ...times(12, 0)]);
});

test('thresholds that are off are never met', () => {
  const off = Number.POSITIVE_INFINITY;
  expect(rungs(new Pressure([off, off, off], 0, 0.97), [1, 1e9])).toEqual([0, 0]);
});
