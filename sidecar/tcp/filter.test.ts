import { connectionFilter } from './filter.ts';

const caller = (service: string | undefined, namespace = 'default') => ({
  peer: service === undefined ? '' : `spiffe://weft.test/ns/${namespace}/sa/${service}`,
  address: '10.0.0.1',
  secure: service !== undefined,
});

test.each([
  [false, undefined, caller('shop'), undefined],
  [false, undefined, caller(undefined), undefined],
  [true, undefined, caller('shop'), undefined],
  [true, undefined, caller(undefined), 'the caller has not proved who it is'],
  [true, ['default/shop'], caller('shop'), undefined],
  [true, ['default/shop'], caller('shop', 'other'), 'other/shop is not among those that may connect'],
  [false, ['default/shop'], caller(undefined), 'the caller has not proved who it is'],
  [true, [], caller('shop'), 'default/shop is not among those that may connect'],
])('strict %s with %j: %j is told %j', (strict, allowed, from, expected) => {
  expect(connectionFilter(strict, allowed)(from)).toBe(expected);
});
