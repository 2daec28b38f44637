import { manualClock } from '../../../lib/clock.ts';
import { defaultLimits, type Limits } from '../../limits/limits.ts';
import { Floods } from './floods.ts';

const floods = (limits: Partial<Limits>): Floods => new Floods({ ...defaultLimits, ...limits }, 0);
/** How many of them are let pass in a row. */
function passing(one: () => boolean): number {
  let count = 0;
  while (!one()) if (++count > 10_000) return Number.POSITIVE_INFINITY;
  return count;
}

describe('control frames', () => {
  test('pass at once up to the burst, and not one more', () => {
    const counted = floods({ controlBurst: 5 });
    expect(passing(() => counted.control(0))).toBe(5);
    expect(counted.control(0)).toBe(true);
  });

  test('pass again as time goes by, at the rate', () => {
    const clock = manualClock();
    const counted = floods({ controlBurst: 5, controlRate: 10 });
    const now = (): boolean => counted.control(clock.now());
    passing(now);
    clock.advance(99);
    expect(now()).toBe(true);
    clock.advance(201);
    expect(passing(now)).toBe(3);
    clock.advance(100);
    expect(passing(now)).toBe(1);
  });

  test('are not saved up beyond the burst', () => {
    const counted = floods({ controlBurst: 5, controlRate: 10 });
    passing(() => counted.control(0));
    expect(passing(() => counted.control(3_600_000))).toBe(5);
  });

  test('that come steadily at the rate pass for ever', () => {
    const counted = floods({ controlBurst: 5, controlRate: 10 });
    for (let n = 0; n < 1000; n++) expect([n, counted.control(n * 100)]).toEqual([n, false]);
  });
});

describe('frames that carry nothing', () => {
  test('pass as many in a row as the limit says', () => {
    const counted = floods({ emptyFrames: 3 });
    expect(passing(() => counted.empty())).toBe(3);
  });

  test('are counted anew behind one that carries something', () => {
    const counted = floods({ emptyFrames: 3 });
    for (let n = 0; n < 3; n++) counted.empty();
    counted.full();
    expect(passing(() => counted.empty())).toBe(3);
  });
});

describe('window updates', () => {
  test('pass up to the burst where no data was sent', () => {
    const counted = floods({ controlBurst: 5 });
    expect(passing(() => counted.update())).toBe(5);
  });

  test('pass in step with the data that was sent', () => {
    const counted = floods({ controlBurst: 5, windowUpdates: 2 });
    passing(() => counted.update());
    // The one too many was counted as well.
    counted.sentData();
    counted.sentData();
    expect(passing(() => counted.update())).toBe(3);
  });

  test('are not saved up much beyond the burst, however much is sent', () => {
    const counted = floods({ controlBurst: 5, windowUpdates: 2 });
    for (let n = 0; n < 1000; n++) counted.sentData();
    expect(passing(() => counted.update())).toBe(5);
    const between = floods({ controlBurst: 5, windowUpdates: 10 });
    between.update();
    between.sentData();
    between.sentData();
    expect(passing(() => between.update())).toBe(14);
  });

  test('may come with each stream that is opened', () => {
    const counted = floods({ controlBurst: 1, windowUpdates: 1 });
    counted.update();
    counted.opened();
    expect(passing(() => counted.update())).toBe(1);
  });
});

describe('resets', () => {
  const afterOpening = (opened: number, resets: number): Floods => {
    const counted = floods({ resets });
    for (let n = 0; n < opened; n++) counted.opened();
    return counted;
  };

  test('pass up to the limit, whatever share of the streams they are', () => {
    const counted = afterOpening(10, 10);
    expect(passing(() => counted.reset(0))).toBe(10);
  });

  test('pass beyond it up to half of the streams', () => {
    const counted = afterOpening(40, 10);
    expect(passing(() => counted.reset(0))).toBe(20);
  });

  test('pass again when more streams have been opened', () => {
    const counted = afterOpening(40, 10);
    for (let n = 0; n < 20; n++) counted.reset(0);
    counted.opened();
    counted.opened();
    expect(passing(() => counted.reset(0))).toBe(1);
  });

  test('at a bearable rate pass for ever, even when every stream ends so', () => {
    const counted = floods({ resets: 2, resetRate: 10 });
    for (let ms = 0; ms < 100_000; ms += 100) {
      counted.opened();
      expect(counted.reset(ms)).toBe(false);
    }
    expect(passing(() => counted.reset(100_000))).toBeLessThanOrEqual(2);
  });
});
