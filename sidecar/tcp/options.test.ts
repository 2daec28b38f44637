import type { InvalidInput } from '../../lib/issues.ts';
import { readSidecarConfig, type SidecarConfig } from '../config.ts';

const read = (...argv: readonly string[]): SidecarConfig => {
  const base = ['--service', 'web', '--namespace', 'shop', '--app', ':9000', '--mtls', 'off'];
  const config = readSidecarConfig([...base, ...argv], {});
  if (config === 'help') throw new Error('no help was asked for');
  return config;
};
const problems = (...argv: readonly string[]): readonly string[] => {
  try {
    read(...argv);
    return [];
  } catch (error) {
    return (error as InvalidInput).issues.map(({ path, message }) => `${path} ${message}`);
  }
};

test('an upstream is a service and an address, as many as are given, and each is a service that is called', () => {
  const config = read(
    '--upstream',
    'db=127.0.0.1:5432, pay/mail=unix:/run/mail',
    '--upstream=cache=:6379',
    '--calls',
    'db',
  );
  expect(config.upstreams).toEqual([
    { service: 'shop/db', address: { host: '127.0.0.1', port: 5432 } },
    { service: 'pay/mail', address: { path: '/run/mail' } },
    { service: 'shop/cache', address: { host: '127.0.0.1', port: 6379 } },
  ]);
  expect(config.calls).toEqual(['shop/db', 'pay/mail', 'shop/cache']);
});

test('without settings there is no upstream, everyone may connect, and the service says what it speaks', () => {
  expect(read()).toMatchObject({ upstreams: [], tcpAllow: undefined, appProtocol: 'auto' });
  expect(read('--tcp-allow', 'cart,pay/ledger', '--app-protocol', 'tcp')).toMatchObject({
    tcpAllow: ['shop/cart', 'pay/ledger'],
    appProtocol: 'tcp',
  });
});

test.each(['db', 'db=', '=:1', 'DB=:1', 'a/b/c=:1', 'db=:99999', 'db=:1,'])('--upstream %s is refused', (given) => {
  expect(problems('--upstream', given)).toEqual([expect.stringContaining(`--upstream '${given}' is not NAME=ADDRESS`)]);
});

test('a port that each thread would choose for itself is refused', () => {
  expect(problems('--upstream', 'db=:0')).toEqual([]);
  expect(problems('--upstream', 'db=:0', '--concurrency', '2')).toEqual([
    '--upstream with port 0 needs --concurrency 1: each thread would choose another port',
  ]);
});
