import { allotAddresses, isServiceAddress, mostServiceAddresses, serviceAddresses } from './service-address.ts';

const first = (service: string): string => serviceAddresses(service).next().value!;

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

test('after the first address all others follow, each once, and none of them is the first or last of the range', () => {
  const seen = new Set<string>();
  let count = 0;
  for (const address of serviceAddresses('default/web')) {
    count++;
    if (count <= 100_000 || count > mostServiceAddresses - 1000) {
      expect(seen.has(address)).toBe(false);
      seen.add(address);
      if (!isServiceAddress(address)) throw new Error(`${address} is outside`);
    }
  }
  expect(count).toBe(mostServiceAddresses);
}, 60_000);

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
