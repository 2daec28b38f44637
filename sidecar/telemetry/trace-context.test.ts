import { exchangeRecord } from '../../test/harness/exchange-record.ts';
import type { ExchangeRecord } from './telemetry.ts';
import { traceContext } from './trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const valid = `00-${traceId}-${spanId}-01`;

interface Given {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly b3?: string;
  readonly b3TraceId?: string;
  readonly b3SpanId?: string;
  readonly b3Sampled?: string;
}

function begin(given: Given, sample = 0): ExchangeRecord {
  const record = exchangeRecord({ tracestate: 'left=over', parentSpanId: 'left over' });
  traceContext(sample).begin(
    record,
    given.traceparent,
    given.tracestate,
    given.b3,
    given.b3TraceId,
    given.b3SpanId,
    given.b3Sampled,
  );
  expect(record.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(record.spanId).toMatch(/^[0-9a-f]{16}$/);
  expect(record.spanId).not.toBe(record.parentSpanId);
  return record;
}

describe('traceparent', () => {
  test.each([
    ['sampled', valid, true],
    ['not sampled', `00-${traceId}-${spanId}-00`, false],
    ['with flags we do not know', `00-${traceId}-${spanId}-03`, true],
    ['with other flags only', `00-${traceId}-${spanId}-fe`, false],
    ['of a later version', `01-${traceId}-${spanId}-01`, true],
    ['of a later version with more', `cc-${traceId}-${spanId}-01-what-the-future-brings`, true],
  ])('%s is joined', (_name, traceparent, sampled) => {
    const record = begin({ traceparent });
    expect(record).toMatchObject({ traceId, parentSpanId: spanId, sampled });
  });

  test.each([
    ['empty', ''],
    ['garbage', 'garbage'],
    ['short', valid.slice(0, 54)],
    ['with more than version 00 has', `${valid}-00`],
    ['with trailing space', `${valid} `],
    ['of the forbidden version ff', `ff-${traceId}-${spanId}-01`],
    ['with a version that is not hex', `.0-${traceId}-${spanId}-01`],
    ['in capitals', valid.toUpperCase()],
    ['with a trace ID of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['with a span ID of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['with a trace ID that is not hex', `00-${traceId.replace('a', 'g')}-${spanId}-01`],
    ['with a span ID that is not hex', `00-${traceId}-${spanId.replace('b', '\u0130')}-01`],
    ['with flags that are not hex', `00-${traceId}-${spanId}-0.`],
    ['with other separators', valid.replaceAll('-', '_')],
    ['twice in one field', `${valid},${valid}`],
    ['of a later version without a dash', `cc-${traceId}-${spanId}-01.what`],
    ['of a megabyte', `${valid}${'0'.repeat(1 << 20)}`],
  ])('%s begins a new trace', (_name, traceparent) => {
    const record = begin({ traceparent, tracestate: 'a=1' });
    expect(record.traceId).not.toBe(traceId);
    expect(record).toMatchObject({ parentSpanId: '', sampled: false, tracestate: '' });
  });

  test('goes upstream with the span of this sidecar', () => {
    const record = begin({ traceparent: valid });
    const tracer = traceContext(0);
    expect(tracer.traceparent(record)).toBe(`00-${traceId}-${record.spanId}-01`);
    record.sampled = false;
    expect(tracer.traceparent(record)).toBe(`00-${traceId}-${record.spanId}-00`);
  });
});

describe('tracestate', () => {
  test.each([
    ['one member', 'congo=t61rcWkgMzE'],
    ['several with spaces', 'congo=t61 , \trojo=00f067aa0ba902b7'],
    ['a key with a tenant', 'fw529a3039@dt=FfQyMjA'],
    ['empty members', 'a=1,,b=2,'],
    ['32 members', Array.from({ length: 32 }, (_, i) => `k${i}=v`).join(',')],
  ])('with %s is passed on', (_name, tracestate) => {
    expect(begin({ traceparent: valid, tracestate }).tracestate).toBe(tracestate);
  });

  test.each([
    ['33 members', Array.from({ length: 33 }, (_, i) => `k${i}=v`).join(',')],
    ['a thousand members', Array.from({ length: 1000 }, (_, i) => `k${i}=v`).join(',')],
    ['more than 512 characters', `a=${'1'.repeat(255)},b=${'1'.repeat(255)}`],
    ['no value', 'a='],
    ['a key in capitals', 'A=1'],
    ['a control character', 'a=1\x01'],
    ['a line break', 'a=1\r\nx: y'],
    ['a second equals sign', 'a=1=2'],
    ['characters beyond ASCII', 'a=\xe9'],
  ])('with %s is not passed on, and the trace is joined all the same', (_name, tracestate) => {
    expect(begin({ traceparent: valid, tracestate })).toMatchObject({ traceId, tracestate: '' });
  });

  test('without a traceparent is not passed on', () => {
    expect(begin({ tracestate: 'a=1' }).tracestate).toBe('');
  });
});

describe('b3', () => {
  const short = traceId.slice(16);
  test.each<[string, Given, string, boolean]>([
    ['in one field', { b3: `${traceId}-${spanId}-1` }, traceId, true],
    ['in one field, denied', { b3: `${traceId}-${spanId}-0` }, traceId, false],
    ['in one field, for debugging', { b3: `${traceId}-${spanId}-d` }, traceId, true],
    ['in one field with a parent', { b3: `${traceId}-${spanId}-1-${'1'.repeat(16)}` }, traceId, true],
    ['in one field without a decision', { b3: `${traceId}-${spanId}` }, traceId, false],
    ['with a short trace ID', { b3: `${short}-${spanId}-1` }, `${'0'.repeat(16)}${short}`, true],
    ['in several fields', { b3TraceId: traceId, b3SpanId: spanId, b3Sampled: '1' }, traceId, true],
    ['in several fields, old form', { b3TraceId: traceId, b3SpanId: spanId, b3Sampled: 'true' }, traceId, true],
    ['in several fields, denied', { b3TraceId: traceId, b3SpanId: spanId, b3Sampled: 'false' }, traceId, false],
    ['in several fields without a decision', { b3TraceId: traceId, b3SpanId: spanId }, traceId, false],
  ])('%s is joined', (_name, given, expected, sampled) => {
    expect(begin(given)).toMatchObject({ traceId: expected, parentSpanId: spanId, sampled });
  });

  test.each<[string, Given]>([
    ['that is empty', { b3: '' }],
    ['in capitals', { b3: `${traceId}-${spanId}-1`.toUpperCase() }],
    ['without a span ID', { b3: traceId }],
    ['with zeros', { b3: `${'0'.repeat(32)}-${spanId}-1` }],
    ['with a decision that nobody knows', { b3: `${traceId}-${spanId}-x` }],
    ['of a megabyte', { b3: 'a'.repeat(1 << 20) }],
    ['in several fields without a span ID', { b3TraceId: traceId, b3Sampled: '1' }],
    ['in several fields with an ID that is not hex', { b3TraceId: traceId, b3SpanId: 'x'.repeat(16) }],
  ])('%s begins a new trace', (_name, given) => {
    const record = begin(given);
    expect(record.traceId).not.toBe(traceId);
    expect(record).toMatchObject({ parentSpanId: '', sampled: false });
  });

  test.each<[string, Given, boolean]>([
    ['1', { b3: '1' }, true],
    ['d', { b3: 'd' }, true],
    ['0', { b3: '0' }, false],
    ['1 in its own field', { b3Sampled: '1' }, true],
    ['0 in its own field', { b3Sampled: '0' }, false],
  ])('with only the decision %s begins a trace of that kind', (_name, given, sampled) => {
    expect(begin(given, sampled ? 0 : 1)).toMatchObject({ parentSpanId: '', sampled });
  });

  test('counts for nothing beside a valid traceparent, and steps in for one that is not', () => {
    const other = `${'1'.repeat(32)}-${'2'.repeat(16)}-0`;
    expect(begin({ traceparent: valid, b3: other }).traceId).toBe(traceId);
    expect(begin({ traceparent: 'garbage', b3: other }).traceId).toBe('1'.repeat(32));
  });
});

test('new traces have IDs of their own and are sampled at the share asked for', () => {
  const tracer = traceContext(0.25);
  const record = exchangeRecord();
  const seen = new Set<string>();
  let sampled = 0;
  const count = 4000;
  for (let i = 0; i < count; i++) {
    tracer.begin(record, undefined, undefined, undefined, undefined, undefined, undefined);
    seen.add(record.traceId).add(record.spanId);
    if (record.sampled) sampled++;
  }
  expect(seen.size).toBe(2 * count);
  // Five standard deviations either side.
  expect(Math.abs(sampled / count - 0.25)).toBeLessThan(0.035);
});

test('a share of 0 samples nothing and a share of 1 everything', () => {
  for (let i = 0; i < 100; i++) {
    expect(begin({}, 0).sampled).toBe(false);
    expect(begin({}, 1).sampled).toBe(true);
  }
});
