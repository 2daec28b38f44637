import fc from 'fast-check';
import { parseDuration } from '../lib/duration.ts';
import { userForm, userPath } from './user-form.ts';

test('durations are written as texts, everything else stays', () => {
  const spec = {
    requestMs: 1500,
    retries: 2,
    backoff: { baseMs: 0 },
    list: [{ maxMs: 60_000 }, 5],
    Ms: 1,
    idleMs: 'x',
  };
  expect(userForm(spec)).toEqual({
    request: '1500ms',
    retries: 2,
    backoff: { base: '0s' },
    list: [{ max: '1m' }, 5],
    Ms: 1,
    idleMs: 'x',
  });
  expect(userPath('spec.backoff.baseMs')).toBe('spec.backoff.base');
  expect(userPath('spec.rules[0].timeouts.requestMs')).toBe('spec.rules[0].timeouts.request');
});

test('any duration is read back as it was', () => {
  fc.assert(
    fc.property(fc.nat(86_400_000), (ms) => expect(parseDuration((userForm({ aMs: ms }) as { a: string }).a)).toBe(ms)),
  );
});
