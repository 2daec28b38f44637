import fc from 'fast-check';
import { type ErrorCode, errors } from '../../lib/errors.ts';
import { compileEnv } from '../../test/harness/compile-env.ts';
import { exchange, outcome, type PlainExchange } from '../../test/harness/exchange.ts';
import { DONE, type Outcome } from '../policy.ts';
import { RetryBudget } from './budget.ts';
import { filter } from './filter.ts';
import { builtin, type RetrySpec } from './spec.ts';

const rarely = { below: () => 0, unit: () => 0.5 };

function compile(spec: Partial<RetrySpec> = {}, env = compileEnv({ random: rarely })) {
  const compiled = filter.compilePolicy!({ ...builtin, ...spec }, env);
  const decide = (ended: Outcome, given: Partial<PlainExchange> & { headers?: [string, string][] } = {}): number =>
    compiled.afterAttempt!(exchange({ method: 'POST', ...given }), ended);
  return { compiled, decide, env };
}

describe('with the builtin policy', () => {
  const reused = { reusedConnection: true };
  // Whether a POST, a GET and a POST with idempotency-key are tried again.
  test.each<[string, Outcome, boolean, boolean, boolean]>([
    ['could not connect', outcome('UPSTREAM_CONNECT'), true, true, true],
    ['wrong endpoint', outcome('UPSTREAM_IDENTITY'), true, true, true],
    ['no endpoint', outcome('NO_ENDPOINT'), true, true, true],
    ['the peer drains', outcome('DRAINING'), true, true, true],
    ['the peer is full', outcome('OVERLOADED'), true, true, true],
    ['reset', outcome('UPSTREAM_RESET'), false, true, true],
    ['reset of a connection from the pool', outcome('UPSTREAM_RESET', reused), true, true, true],
    ['attempt timeout', outcome('ATTEMPT_TIMEOUT'), false, false, false],
    ['deadline', outcome('REQUEST_DEADLINE'), false, false, false],
    ['invalid answer', outcome('UPSTREAM_INVALID'), false, false, false],
    ['caller gone', outcome('DOWNSTREAM_GONE'), false, false, false],
    ['503 of the service itself', outcome(503), false, false, false],
    ['500', outcome(500), false, false, false],
    ['404', outcome(404), false, false, false],
    ['200', outcome(200), false, false, false],
  ])('%s', (_, ended, post, get, keyed) => {
    const { decide } = compile();
    expect([
      decide(ended) !== DONE,
      decide(ended, { method: 'GET' }) !== DONE,
      decide(ended, { headers: [['idempotency-key', 'x']] }) !== DONE,
    ]).toEqual([post, get, keyed]);
  });

  test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])('%s may be repeated', (method) => {
    expect(compile().decide(outcome('UPSTREAM_RESET'), { method })).not.toBe(DONE);
  });

  test.each(['POST', 'PATCH', 'CONNECT', 'get'])('%s may not', (method) => {
    expect(compile().decide(outcome('UPSTREAM_RESET'), { method })).toBe(DONE);
  });
});

describe('conditions', () => {
  test.each<[RetrySpec['on'], Outcome, boolean]>([
    [[], outcome('UPSTREAM_CONNECT'), false],
    [['connect-failure'], outcome('UPSTREAM_CONNECT'), true],
    [['connect-failure'], outcome('DRAINING'), false],
    [['connect-failure'], outcome('UPSTREAM_RESET', { reusedConnection: true }), true],
    [['refused'], outcome('UPSTREAM_CONNECT'), true],
    [['refused'], outcome('UPSTREAM_RESET'), false],
    [['reset'], outcome('UPSTREAM_RESET'), true],
    [['attempt-timeout'], outcome('ATTEMPT_TIMEOUT'), true],
    [['attempt-timeout'], outcome('REQUEST_DEADLINE'), false],
    [['gateway-error'], outcome(502), true],
    [['gateway-error'], outcome(503), true],
    [['gateway-error'], outcome(504), true],
    [['gateway-error'], outcome(500), false],
    [['gateway-error'], outcome('UPSTREAM_RESET'), true],
    [['gateway-error'], outcome('ATTEMPT_TIMEOUT'), true],
    [['5xx'], outcome(500), true],
    [['5xx'], outcome(599), true],
    [['5xx'], outcome(499), false],
    [['5xx'], outcome('UPSTREAM_CONNECT'), true],
    // Another attempt would get the same answer.
    [['5xx'], outcome('FILTER_FAILED'), false],
    [['5xx'], outcome('UPSTREAM_INVALID'), false],
    [['retriable-4xx'], outcome(409), true],
    [['retriable-4xx'], outcome(408), false],
    [[429], outcome(429), true],
    [[429, 'reset'], outcome(503), false],
  ])('%j: %j', (on, ended, expected) => {
    expect(compile({ on: on! }).decide(ended, { method: 'GET' }) !== DONE).toBe(expected);
  });

  test('a status is an answer of the service, so only what may be repeated is sent again', () => {
    expect(compile({ on: [503] }).decide(outcome(503))).toBe(DONE);
    expect(compile({ on: [503], methods: ['POST'] }).decide(outcome(503))).not.toBe(DONE);
  });
});

describe('gRPC', () => {
  const unavailable = { grpcStatus: 14 };

  test.each<[RetrySpec['grpc'], Outcome, boolean]>([
    [[], outcome(200, unavailable), false],
    [['unavailable'], outcome(200, unavailable), true],
    [['unavailable'], outcome(200, { grpcStatus: 13 }), false],
    [['unavailable'], outcome(200, { grpcStatus: 0 }), false],
    // The response has begun to stream, or is none of gRPC.
    [['unavailable'], outcome(200), false],
    [['unavailable'], outcome(503), false],
    [['internal', 'cancelled'], outcome(200, { grpcStatus: 1 }), true],
    [['deadline-exceeded'], outcome(200, { grpcStatus: 4 }), true],
    [['resource-exhausted'], outcome(200, { grpcStatus: 8 }), true],
    // Errors of the mesh, as the caller would read them.
    [['unavailable'], outcome('UPSTREAM_RESET', unavailable), true],
    [['deadline-exceeded'], outcome('ATTEMPT_TIMEOUT', { grpcStatus: 4 }), true],
    [['deadline-exceeded'], outcome('REQUEST_DEADLINE', { grpcStatus: 4 }), false],
    [['internal'], outcome('FILTER_FAILED', { grpcStatus: 13 }), false],
  ])('with %j %j is tried again: %s', (grpc, ended, expected) => {
    expect(compile({ on: [], grpc: grpc! }).decide(ended) !== DONE).toBe(expected);
  });

  test('an error of the other sidecar comes as 200, and is what it is all the same', () => {
    const ended: Outcome = { ...outcome(200, unavailable), error: 'DRAINING' };
    expect(compile().decide(ended)).not.toBe(DONE);
    expect(compile({ on: ['gateway-error'] }).decide(ended)).not.toBe(DONE);
    expect(compile({ on: [404] }).decide(ended)).toBe(DONE);
  });

  test.each([
    ['0', 12],
    ['300', 300],
    ['1001', DONE],
    ['-1', DONE],
    ['soon', DONE],
  ])('honours grpc-retry-pushback-ms %s: %d', (text, expected) => {
    const { decide } = compile({ grpc: ['unavailable'] });
    expect(decide(outcome(200, { ...unavailable, response: [['grpc-retry-pushback-ms', text]] }))).toBe(expected);
  });
});

test('nothing is tried more often than the policy says', () => {
  const { decide } = compile({ retries: 2 });
  const ended = outcome('UPSTREAM_CONNECT');
  expect([1, 2, 3, 4].map((attempts) => decide(ended, { attempts }) !== DONE)).toEqual([true, true, false, false]);
  expect(compile({ retries: 0 }).compiled).toEqual({});
});

test('a body that is no longer held is not sent again', () => {
  expect(compile().decide(outcome('UPSTREAM_CONNECT'), { replayable: false })).toBe(DONE);
});

test('bodies are held up to the size that the policy says', () => {
  const ex = exchange();
  compile({ bufferBytes: 1000 }).compiled.onRequest!(ex);
  expect(ex.holdBytes).toBe(1000);
});

describe('the wait', () => {
  test('is a random part of a limit that doubles up to the maximum', () => {
    const { decide } = compile({ retries: 10 });
    const waits = [1, 2, 3, 4, 5, 6].map((attempts) => decide(outcome('UPSTREAM_CONNECT'), { attempts }));
    expect(waits).toEqual([12, 25, 50, 100, 125, 125]);
  });

  test('is none when a connection from the pool had died', () => {
    expect(compile().decide(outcome('UPSTREAM_RESET', { reusedConnection: true }))).toBe(0);
  });

  test('never goes beyond the deadline', () => {
    expect(compile().decide(outcome('UPSTREAM_CONNECT'), { deadlineMs: 12 })).toBe(DONE);
    expect(compile().decide(outcome('UPSTREAM_CONNECT'), { deadlineMs: 13 })).toBe(12);
  });

  test.each<[string, number]>([
    ['1', 1000],
    ['0', 12],
    ['2', DONE],
    ['Thu, 01 Jan 2026 00:00:01 GMT', 1000],
    ['Thu, 01 Jan 2026 00:01:00 GMT', DONE],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 12],
    ['soon', 12],
    ['-1', 12],
    ['99999999999999', 12],
  ])('honours retry-after %s when it is short: %d', (text, expected) => {
    const { decide } = compile({ on: [503] });
    expect(decide(outcome(503, { response: [['retry-after', text]] }), { method: 'GET' })).toBe(expected);
  });
});

describe('the budget', () => {
  test('lets a share of the requests be retried, and some in each second in any case', () => {
    const budget = new RetryBudget();
    const taken = (tries: number, now: number, percent = 20, floor = 3) =>
      Array.from({ length: tries }, () => budget.take(now, percent, floor)).filter(Boolean).length;
    expect(taken(10, 0)).toBe(3);
    expect(taken(10, 1000)).toBe(3);
    for (let i = 0; i < 100; i++) budget.request(2000);
    expect(taken(100, 2000)).toBe(14); // 20 of 100, less the 6 that went before
    expect(taken(100, 2999)).toBe(0);
    expect(taken(100, 3000)).toBe(3);
    expect(taken(100, 3000, 0, 0)).toBe(0);
  });

  test('forgets what is more than ten seconds old', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 50; i++) budget.request(500);
    expect(budget.take(9_900, 2, 0)).toBe(true);
    expect(budget.take(9_900, 2, 0)).toBe(false);
    expect(budget.take(10_000, 100, 0)).toBe(false); // the requests have left the window
    budget.request(1e9);
    expect(budget.take(1e9, 100, 0)).toBe(true);
  });

  test('outlives the snapshot, also when the policy changes', () => {
    const env = compileEnv({ random: rarely });
    const budget = { percent: 0, minPerSecond: 1 };
    expect(compile({ budget }, env).decide(outcome('UPSTREAM_CONNECT'))).toBe(12);
    expect(compile({ budget, retries: 5 }, env).decide(outcome('UPSTREAM_CONNECT'))).toBe(DONE);
    env.clock.advance(1000);
    expect(compile({ budget }, env).decide(outcome('UPSTREAM_CONNECT'))).toBe(12);
  });

  test('is not spent on what is not retried', () => {
    const { decide } = compile({ budget: { percent: 0, minPerSecond: 1 } });
    for (let i = 0; i < 5; i++) expect(decide(outcome(500))).toBe(DONE);
    expect(decide(outcome('UPSTREAM_CONNECT'))).not.toBe(DONE);
  });

  test('never lets more through than the share or the floor of each second, whatever the traffic', () => {
    const step = fc.record({ ms: fc.integer({ min: 0, max: 3000 }), requests: fc.nat(20), tries: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), ([...steps]) => {
        const budget = new RetryBudget();
        let now = 0;
        let requests = 0;
        let retries = 0;
        const seconds = new Set<number>();
        for (const { ms, requests: more, tries } of steps) {
          now += ms;
          seconds.add(Math.floor(now / 1000));
          for (let i = 0; i < more; i++) budget.request(now);
          requests += more;
          for (let i = 0; i < tries; i++) if (budget.take(now, 20, 2)) retries++;
        }
        expect(retries).toBeLessThanOrEqual(Math.ceil(requests * 0.2) + 2 * seconds.size);
      }),
    );
  });
});

test('for any outcome and policy, a POST that the service may have seen is never sent again by default', () => {
  const codes = Object.keys(errors) as ErrorCode[];
  const on = fc.subarray([
    'connect-failure',
    'refused',
    'reset',
    'attempt-timeout',
    'gateway-error',
    '5xx',
    'retriable-4xx',
    503,
    404,
  ] as const);
  fc.assert(
    fc.property(on, fc.oneof(fc.constantFrom(...codes), fc.integer({ min: 200, max: 599 })), (on, ended) => {
      const wait = compile({ on }).decide(outcome(ended));
      if (typeof ended === 'number' || errors[ended].retry !== 'always') expect(wait).toBe(DONE);
    }),
  );
});
