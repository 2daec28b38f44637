import { allotAddresses, isServiceAddress, serviceAddresses } from './service-address.ts';

const first = (service: string): string => serviceAddresses(service).next().value!;

const numberOf = (text: string): number => text.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);

test('a service has the same first address wherever it is worked out', () => {
  expect(first('default/payments')).toBe(first('default/payments'));
  expect(first('default/payments')).not.toBe(first('shop/payments'));
  // Sidecars and control planes of other versions must come to the same.
  expect([first('default/payments'), first('default/web')]).toMatchInlineSnapshot(`
[
  "127.193.228.203",
  "127.179.175.244",
]
`);
});

test('after the first address the others follow in order, and after the last of the range the first one', () => {
  // One that begins near the end, so that the end is met soon.
  let name = 0;
  while (!first(`default/${name}`).startsWith('127.255.255.')) name++;
  const addresses = serviceAddresses(`default/${name}`);
  const found = Array.from({ length: 1000 }, () => addresses.next().value!);
  expect(new Set(found).size).toBe(1000);
  expect(found.filter((address) => !isServiceAddress(address))).toEqual([]);
  const last = found.indexOf('127.255.255.254');
  expect(found[last + 1]).toBe('127.128.0.1');
  expect(found.slice(last + 1).map(numberOf)).toEqual(found.slice(last + 1).map((_, n) => numberOf('127.128.0.1') + n));
});

test('only addresses of 127.128.0.0/9 are addresses of services', () => {
  for (const text of ['127.128.0.1', '127.255.255.254', '127.200.3.4'])
    expect([text, isServiceAddress(text)]).toEqual([text, true]);
  for (const text of [
    ...['127.128.0.0', '127.255.255.255', '127.127.255.255', '128.0.0.0', '0.0.0.0', '127.0.0.1', '10.0.0.1'],
    ...['', '::1', '127.200.3', '127.200.3.4 ', '127.0200.3.4', 'localhost', '::ffff:127.200.3.4'],
  ])
    expect([text, isServiceAddress(text)]).toEqual([text, false]);
});

test('services that are alone get what follows from their names, and never the same address twice', () => {
  const names = Array.from({ length: 20_000 }, (_, n) => `default/service-${n}`);
  const addresses = allotAddresses(names);
  expect(new Set(addresses.values()).size).toBe(names.length);
  expect(allotAddresses(names.toReversed())).toEqual(addresses);
  expect(allotAddresses(['default/web']).get('default/web')).toBe(first('default/web'));
});
