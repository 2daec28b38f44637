import { manualClock } from '../../lib/clock.ts';
import type { LogEntry } from './messages.ts';
import { relayLog } from './relay-log.ts';

function relayed() {
  const batches: (readonly LogEntry[])[] = [];
  const log = relayLog((message) => {
    if (message.kind === 'log') batches.push(message.entries);
  }, manualClock());
  return { log, batches };
}

test('what is said goes to the main thread with the fields that were given before', () => {
  const { log, batches } = relayed();
  log.with({ peer: 'a' }).with({ port: 1 }).warn('refused', { port: 2 });
  log.taken();
  log.info('plain');
  expect(batches).toEqual([
    [{ level: 'warn', event: 'refused', fields: { peer: 'a', port: 2 } }],
    [{ level: 'info', event: 'plain', fields: undefined }],
  ]);
});

test('a flood while the main thread is behind is cut, and it is said how much was', () => {
  const { log, batches } = relayed();
  for (let i = 0; i < 1500; i++) log.warn('flood');
  expect(batches.map(({ length }) => length)).toEqual([1]);
  log.taken();
  log.taken();
  expect(batches.map(({ length }) => length)).toEqual([1, 1000, 1]);
  expect(batches[2]).toEqual([{ level: 'warn', event: 'log lines dropped', fields: { dropped: 499 } }]);
});
