import { formatIssue, Issues } from '../../lib/issues.ts';
import { compileEnv } from '../../test/harness/compile-env.ts';
import { parseResource } from '../parse.ts';
import type { KindSchema } from '../policy.ts';
import { filter } from './filter.ts';
import { schema } from './schema.ts';

function parse(spec: object) {
  const issues = new Issues();
  const metadata = { name: 'orders-db', namespace: 'shop' };
  const raw = { apiVersion: 'weft.dev/v1', kind: 'Upstream', metadata, spec };
  const resource = parseResource(raw, new Map([['Upstream', schema as KindSchema]]), issues, 0);
  return { resource, problems: issues.list.map(({ path, message }) => formatIssue({ path, message })) };
}

const good = { service: 'db', listen: '127.0.0.1:5432' };

test.each([
  [
    'all services of the namespace',
    good,
    { service: 'shop/db', address: { host: '127.0.0.1', port: 5432 } },
    [{ kind: 'Namespace', namespace: '', name: 'shop' }],
  ],
  [
    'those that it names',
    { service: 'data/db', listen: 'unix:/run/db.sock', for: ['orders', 'reports'] },
    { service: 'data/db', address: { path: '/run/db.sock' } },
    ['orders', 'reports'].map((name) => ({ kind: 'Service', namespace: 'shop', name })),
  ],
])('an address is for %s', (_, spec, facts, beside) => {
  const { resource, problems } = parse(spec);
  expect(problems).toEqual([]);
  expect(filter.compileUpstream!(resource!, compileEnv())).toEqual({ ...facts, beside });
  expect(schema.attaches(resource as never).map(({ path: _path, ...target }) => target)).toEqual(beside);
  const [namespace, name] = facts.service.split('/');
  expect(schema.backends!(resource as never)).toEqual([
    { key: { kind: 'Service', namespace, name }, path: 'spec.service' },
  ]);
});

test.each<[object, string]>([
  [{ ...good, service: 'a/b/c' }, "spec.service: 'a/b/c' is not the name of a service, such as db or shop/db"],
  [{ ...good, service: 'DB' }, "spec.service: 'DB' is not the name of a service, such as db or shop/db"],
  [{ ...good, listen: '5432' }, "spec.listen: '5432' is not an address such as 127.0.0.1:5432 or unix:PATH"],
  [
    { ...good, listen: '0.0.0.0:5432' },
    "spec.listen: '0.0.0.0:5432' is not loopback: whoever reaches it speaks as the service beside it, so give 127.0.0.1 or unix:PATH",
  ],
  [
    { ...good, listen: '127.0.0.1:0' },
    "spec.listen: '127.0.0.1:0' has port 0: the service beside it could not know which one that becomes",
  ],
  [{ ...good, listen: 'unix:db' }, "spec.listen: 'unix:db' is not an absolute path of at most 100 characters"],
  [{ ...good, for: [] }, 'spec.for: must have at least 1 entry'],
  [{ service: 'db' }, 'spec.listen: is required: an address such as 127.0.0.1:5432 or unix:PATH'],
  [{ ...good, port: 1 }, 'spec.port: is not a field here; known are service, listen, for'],
])('%j is refused', (spec, expected) => {
  expect(parse(spec).problems).toEqual([expected]);
});

test('a sidecar refuses an address that it cannot read', () => {
  const env = compileEnv();
  const { resource } = parse(good);
  expect(filter.compileUpstream!({ ...resource!, spec: { ...good, listen: 'vsock' } }, env)).toBeUndefined();
  expect(env.issues.list.map(({ path }) => path)).toEqual(['spec.listen']);
});
