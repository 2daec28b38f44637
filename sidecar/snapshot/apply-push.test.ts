import type { Push__Output } from '../../proto/gen/weft/v1/Push.ts';
import { applyPush, noInputs } from './apply-push.ts';
import type { Inputs } from './inputs.ts';

const cart = { namespace: 'default', name: 'cart' };
const empty: Push__Output = {
  nonce: 1,
  revision: 2,
  resources: [],
  removed: [],
  endpoints: [],
  absent: [],
  roots: [],
  full: false,
};
const endpoint = { id: 'a', address: '10.0.0.1', port: 80, weight: 1, identity: '', locality: '', version: 'v' };
const held: Inputs = {
  revision: 1,
  resources: new Map([['Service default/cart', { key: { kind: 'Service', ...cart }, version: 'v', spec: {} }]]),
  endpoints: new Map([['default/cart', new Map([['a', endpoint]])]]),
  addresses: new Map([['default/cart', '127.200.0.1']]),
  absent: new Set(),
};
const problems = (push: Partial<Push__Output>) => {
  const result = applyPush(held, { ...empty, ...push });
  return 'problems' in result ? result.problems.map(({ path, message }) => `${path}: ${message}`) : [];
};
const change = (more: object) => [{ service: cart, added: [], removed: [], dropped: false, localAddress: '', ...more }];

test('an empty push changes the revision and shares all else', () => {
  const result = applyPush(held, empty);
  expect(result).toEqual({ inputs: { ...held, revision: 2 } });
  expect('inputs' in result && result.inputs.endpoints).toBe(held.endpoints);
});

test('a full push replaces everything', () => {
  expect(applyPush(held, { ...empty, full: true })).toEqual({ inputs: { ...noInputs, revision: 2 } });
});

test('a service that is absent or dropped is forgotten with its endpoints; one without endpoints is not', () => {
  const endpoints = (push: Partial<Push__Output>) => {
    const result = applyPush(held, { ...empty, ...push });
    return 'inputs' in result ? [...result.inputs.endpoints].map(([name, byId]) => [name, byId.size]) : result;
  };
  expect(endpoints({ absent: [cart] })).toEqual([]);
  expect(endpoints({ endpoints: change({ dropped: true }) })).toEqual([]);
  expect(endpoints({ endpoints: change({ removed: ['a'] }) })).toEqual([['default/cart', 0]]);
  expect(held.endpoints.get('default/cart')?.size).toBe(1);
});

test('every problem of a push is named', () => {
  expect(
    problems({
      resources: [
        { key: null, version: '', spec: Buffer.from('{}') },
        { key: { kind: 'Service', ...cart }, version: '', spec: Buffer.from('{') },
      ],
      endpoints: [
        ...change({ added: [{ ...endpoint, id: '' }] }),
        ...change({ added: [{ ...endpoint, address: '' }] }),
        ...change({ added: [{ ...endpoint, port: 0 }] }),
        ...change({ service: null }),
      ],
      absent: [{ namespace: 'default', name: '' }],
    }),
  ).toEqual([
    'key: a resource without kind and name',
    expect.stringMatching(/^spec: is not JSON/),
    'endpoints default/cart : has no id',
    'endpoints default/cart a: has no address',
    'endpoints default/cart a: 0 is no port',
    'endpoints: of a service without a name',
    'absent: has no name',
  ]);
});

test('a service keeps its address on loopback until it is gone, or the control plane gives it another', () => {
  const addresses = (push: Partial<Push__Output>) => {
    const result = applyPush(held, { ...empty, ...push });
    return 'inputs' in result ? [...result.inputs.addresses] : result;
  };
  expect(addresses({ endpoints: change({ added: [{ ...endpoint, id: 'b' }] }) })).toEqual([...held.addresses]);
  expect(addresses({ endpoints: change({ localAddress: '127.200.0.2' }) })).toEqual([['default/cart', '127.200.0.2']]);
  expect(addresses({ endpoints: change({ dropped: true }) })).toEqual([]);
  expect(addresses({ absent: [cart] })).toEqual([]);
  expect(addresses({ full: true })).toEqual([]);
});

test('an address that others can reach, or that is somebody else’s, is no address of a service', () => {
  for (const localAddress of ['0.0.0.0', '127.0.0.1', '10.0.0.1', '::1', 'localhost'])
    expect(problems({ endpoints: change({ localAddress }) })).toEqual([
      `endpoints default/cart local_address: ${localAddress} is not in 127.128.0.0/9`,
    ]);
});
