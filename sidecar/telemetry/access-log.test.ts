import { exchangeRecord } from '../../test/harness/exchange-record.ts';
import { accessLogLines } from './access-log.ts';
import { EdgeStats } from './edge-stats.ts';

const sinks = { logLevel: 0, log() {}, spans: false, span() {} } as const;
const edge = new EdgeStats('outbound', 'default/cart', sinks);
const wall = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

test('a line holds the exchange under the names of the record', () => {
  const record = exchangeRecord({
    code: 'NO_ENDPOINT',
    status: 503,
    policy: 'RetryPolicy default/web',
    rule: 'HTTPRoute default/web rule 1',
    detail: 'nobody there',
    peer: 'spiffe://weft/ns/default/sa/cart',
    attempts: 3,
    durationMs: 12.34567,
    firstByteMs: 11,
    requestBytes: 5,
    responseBytes: 7,
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    requestId: 'r-1',
    sampled: true,
  });
  const line = accessLogLines('default/web')(edge, record, wall);
  const { startMs: _startMs, tracestate: _tracestate, peer, ...same } = record;
  expect(JSON.parse(line)).toEqual({
    ...same,
    durationMs: 12.346,
    time: '2026-01-02T03:04:05.678Z',
    direction: 'outbound',
    service: 'default/web',
    peer: 'default/cart',
    peerIdentity: peer,
  });
});

const hostile = '"\\\r\n\t\x00\x1b[31m\x7f\x85\x9b31m\u2028\u2029é\ud800","status":200}\n{"forged":"yes';

test.each([
  'method',
  'host',
  'path',
  'requestId',
  'detail',
  'peer',
  'rule',
  'policy',
  'downstream',
  'upstream',
] as const)('nothing in %s ends the line, forges a field or reaches a terminal', (field) => {
  const line = accessLogLines('default/web')(edge, exchangeRecord({ [field]: hostile }), wall);
  expect(line).toMatch(/^[ -~]+\n$/);
  const parsed: unknown = JSON.parse(line);
  expect(parsed).toMatchObject({ [field === 'peer' ? 'peerIdentity' : field]: hostile, status: 200 });
  expect(parsed).not.toHaveProperty('forged');
});

test('a text of any length makes a line of bounded length', () => {
  const line = accessLogLines('default/web')(
    edge,
    exchangeRecord({ path: `/${'\u2028'.repeat(1 << 20)}`, host: 'h'.repeat(1 << 20) }),
    wall,
  );
  expect(line.length).toBeLessThan(10_000);
  expect(JSON.parse(line)).toHaveProperty('host', `${'h'.repeat(1024)}...`);
});
