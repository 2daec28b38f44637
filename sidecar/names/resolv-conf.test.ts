import { readResolvers, resolversIn } from './resolv-conf.ts';

const at = (host: string, port = 53) => ({ host, port });

test('the resolvers of a resolv.conf are asked in its order, three of them at most', () => {
  const text = `# ours
nameserver 10.0.0.1
search example.com
  nameserver\t2001:db8::1
nameserver fe80::1%eth0
nameserver not-an-address
nameserver
options ndots:1
nameserver 10.0.0.3`;
  expect(resolversIn(text, [])).toEqual([at('10.0.0.1'), at('2001:db8::1'), at('fe80::1%eth0')]);
});

test('whoever answers here is not asked', () => {
  const text = 'nameserver 127.0.0.1\nnameserver 10.0.0.1\n';
  expect(resolversIn(text, [at('127.0.0.1')])).toEqual([at('10.0.0.1')]);
  expect(resolversIn(text, [at('127.0.0.1', 5353)])).toHaveLength(2);
});

test('without the file there is nobody to ask', async () => {
  expect(await readResolvers('/nowhere/resolv.conf', [])).toEqual([]);
});
