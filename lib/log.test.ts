import { jsonLog } from './log.ts';

test('nothing in a field or an event ends the line, forges a field or reaches a terminal', () => {
  const hostile = '"\\\r\n\t\x00\x1b[31m\x7f\x85\x9b31m\u2028\u2029é\ud800","level":"info"}\n{"forged":"yes';
  const lines: string[] = [];
  const log = jsonLog({ write: (line) => lines.push(line), wall: () => 0, fields: { service: 'web' } });
  log.warn(hostile, { peer: hostile });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^[ -~]+\n$/);
  expect(JSON.parse(lines[0]!)).toEqual({
    time: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    event: hostile,
    service: 'web',
    peer: hostile,
  });
});
