import { compileEnv } from '../../test/harness/compile-env.ts';
import { exchange } from '../../test/harness/exchange.ts';
import { filter } from './filter.ts';
import { builtin, type TimeoutSpec } from './spec.ts';

function limits(spec: Partial<TimeoutSpec>, given: Parameters<typeof exchange>[0] = {}) {
  const ex = exchange(given);
  filter.compilePolicy!({ ...builtin, ...spec }, compileEnv()).onRequest!(ex);
  return [ex.deadlineMs, ex.attemptTimeoutMs, ex.connectTimeoutMs, ex.idleTimeoutMs];
}

test('the builtin policy bounds everything but the single attempt', () => {
  expect(limits({}, { startMs: 100 })).toEqual([15_100, Infinity, 1000, 300_000]);
});

test('0 is no limit', () => {
  expect(limits({ requestMs: 0, attemptMs: 0, connectMs: 0, idleMs: 0 })).toEqual([
    Infinity,
    Infinity,
    Infinity,
    Infinity,
  ]);
});

test('a deadline that stands already is only made shorter', () => {
  expect(limits({ requestMs: 500 }, { deadlineMs: 200 })[0]).toBe(200);
  expect(limits({ requestMs: 500 }, { deadlineMs: 900 })[0]).toBe(500);
});
