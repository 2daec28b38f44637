import { formatIssue, Issues } from '../../lib/issues.ts';
import { compileEnv } from '../../test/harness/compile-env.ts';
import { parseResource } from '../parse.ts';
import type { KindSchema } from '../policy.ts';
import { filter } from './filter.ts';
import { schema } from './schema.ts';

function parse(spec: object, name = 'web') {
  const issues = new Issues();
  const raw = { apiVersion: 'weft.dev/v1', kind: 'Service', metadata: { name }, spec };
  const resource = parseResource(raw, new Map([['Service', schema as KindSchema]]), issues, 0);
  return resource?.spec ?? issues.list.map(({ path, message }) => formatIssue({ path, message }));
}

const resource = (spec: object) => ({
  apiVersion: 'weft.dev/v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec,
});

test('a service that says nothing has port 80 and no endpoints of its own', () => {
  expect(parse({})).toEqual({ ports: [{ port: 80, protocol: 'http' }], endpoints: [] });
});

test.each(['http', 'http2', 'grpc', 'tcp'] as const)('a service may speak %s, and sidecars are told', (protocol) => {
  const spec = { ports: [{ port: 80, protocol }], endpoints: [] };
  expect(parse({ ports: spec.ports })).toEqual(spec);
  const env = compileEnv();
  expect(filter.compileService!(resource(spec), env)).toEqual({ protocol, ports: [80] });
  expect(env.issues.ok).toBe(true);
});

test('of a port without a protocol, as a service that joined may have it, nobody has said anything', () => {
  expect(filter.compileService!(resource({ ports: [{ port: 9000 }] }), compileEnv()).protocol).toBe('auto');
});

test('a sidecar refuses a protocol that it does not know', () => {
  const env = compileEnv();
  filter.compileService!(resource({ ports: [{ port: 80, protocol: 'quic' }] }), env);
  expect(env.issues.list.map(({ message }) => message)).toEqual(['this sidecar does not know the protocol quic']);
});

test('endpoints are addresses or sockets, with weight 1 and plain text unless they say more', () => {
  const identity = 'spiffe://mesh.local/ns/default/sa/web';
  const endpoints = [
    { address: '10.0.0.1', port: 80 },
    { address: '::1', port: 81, weight: 0, identity },
    { address: 'unix:/run/web.sock' },
  ];
  expect(parse({ endpoints })).toMatchObject({
    endpoints: [
      { address: '10.0.0.1', port: 80, weight: 1 },
      { address: '::1', port: 81, weight: 0, identity },
      { address: 'unix:/run/web.sock', port: 0, weight: 1 },
    ],
  });
});

const endpoint = (fields: object) => ({ endpoints: [{ address: '10.0.0.1', port: 80, ...fields }] });

test.each<[object, string]>([
  [
    { ports: [{ port: 80, protocol: 'udp' }] },
    'spec.ports[0].protocol: protocol udp is not supported; supported are http, http2, grpc, tcp',
  ],
  [
    { ports: [{ port: 80, protocol: 'HTTP' }] },
    "spec.ports[0].protocol: must be one of http, http2, grpc, tcp, not 'HTTP'; did you mean 'http'?",
  ],
  [
    { ports: [{ port: 80, protocol: 'tcp' }, { port: 81 }] },
    'spec.ports[1].protocol: must be tcp, as for port 80: every port leads to the same endpoints',
  ],
  [{ ports: [] }, 'spec.ports: must have at least 1 entry'],
  [{ ports: [{ port: 80 }, { port: 80 }] }, 'spec.ports[1]: port 80 stands here twice'],
  [{ ports: [{ port: 65536 }] }, 'spec.ports[0].port: must be a whole number from 1 to 65535, not 65536'],
  [{ ports: [{ port: '80' }] }, "spec.ports[0].port: must be a whole number from 1 to 65535, not '80'"],
  [
    { ports: [{ port: 80, targetPort: 9000 }] },
    'spec.ports[0].targetPort: is not a field here; known are port, protocol',
  ],
  [
    endpoint({ address: 'localhost' }),
    "spec.endpoints[0].address: 'localhost' is not an IP address or unix:PATH; names are not looked up, so give the address itself",
  ],
  [
    endpoint({ address: '0.0.0.0' }),
    "spec.endpoints[0].address: '0.0.0.0' is an address to listen on, not one to connect to; perhaps 127.0.0.1",
  ],
  [endpoint({ port: undefined }), 'spec.endpoints[0].port: is required: a whole number from 1 to 65535'],
  [endpoint({ address: 'unix:/a' }), 'spec.endpoints[0].port: must be left out for a unix-domain socket'],
  [endpoint({ weight: -1 }), 'spec.endpoints[0].weight: must be a whole number from 0 to 1000000, not -1'],
  [
    endpoint({ identity: 'web' }),
    "spec.endpoints[0].identity: 'web' is not an identity such as spiffe://mesh.local/ns/default/sa/web",
  ],
  [
    { endpoints: [1, 2].map(() => ({ address: '10.0.0.1', port: 80 })) },
    'spec.endpoints[1]: 10.0.0.1 port 80 stands here twice',
  ],
])('%j is refused', (spec, expected) => {
  // As JSON, which has no undefined.
  expect(parse(JSON.parse(JSON.stringify(spec)))).toEqual([expected]);
});

test('its name is one label, since it becomes a host name', () => {
  expect(parse({}, 'web.shop')).toEqual([
    "metadata.name: 'web.shop' is not the name of a service: at most 63 lower-case letters, digits and '-'",
  ]);
});
