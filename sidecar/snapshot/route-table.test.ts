import { serviceNames } from './route-table.ts';

test.each([
  ['web', 'shop/web'],
  ['web.mesh', 'shop/web'],
  ['web.pay', 'pay/web'],
  ['web.pay.mesh', 'pay/web'],
  ['mesh', 'shop/mesh'],
  ['web.pay.x', undefined],
  ['web.pay.x.mesh', undefined],
  ['', undefined],
  ['.mesh', undefined],
  ['[::1]', undefined],
  ['127.0.0.1', undefined],
  ['web_1', undefined],
])('the host %j stands for %j', (host, service) => {
  const serviceOf = serviceNames('shop');
  expect(serviceOf(host)).toBe(service);
  expect(serviceOf(host)).toBe(service);
});

test('each namespace has names of its own', () => {
  expect(serviceNames('a')('web')).toBe('a/web');
  expect(serviceNames('b')('web')).toBe('b/web');
});
