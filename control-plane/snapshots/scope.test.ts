import { keyOf, keyText, meshTarget, type Resource } from '../../policies/resource.ts';
import {
  anUpstream,
  aPolicy,
  aRoute,
  aService,
  atNamespace,
  atRoute,
  atService,
  key,
  testKinds,
} from '../../test/harness/discovery-fixtures.ts';
import type { State } from '../store/store.ts';
import { MeshIndex } from './mesh-index.ts';
import { sameScope, scopeOf } from './scope.ts';
import { Scopes } from './scopes.ts';

const stateOf = (...resources: Resource[]): State => ({
  revision: 1,
  resources: new Map(resources.map((resource) => [keyText(keyOf(resource)), resource])),
});
const names = (found: Iterable<string>) => [...found].sort();
const put = (resource: Resource) => ({ op: 'put', resource }) as const;
const remove = (resource: Resource) => ({ op: 'delete', key: keyOf(resource) }) as const;

test('a scope has own service, what it calls, what routes send to, and the policies of all of these', () => {
  const index = new MeshIndex(
    testKinds,
    stateOf(
      aService('web'),
      aService('cart'),
      aService('cart-v2'),
      aService('other'),
      aRoute('split', ['cart'], ['cart', 'cart-v2']),
      aRoute('deep', ['cart-v2'], ['ghost']),
      aRoute('elsewhere', ['other'], ['other']),
      aPolicy('mesh', meshTarget),
      aPolicy('namespace', atNamespace('default')),
      aPolicy('foreign', atNamespace('other')),
      aPolicy('service', atService('cart-v2')),
      aPolicy('route', atRoute('deep')),
      aPolicy('other-route', atRoute('elsewhere')),
    ),
  );
  const scope = scopeOf(index, key('web'), [key('cart')]);
  expect(names(scope.services)).toEqual(['cart', 'cart-v2', 'ghost', 'web'].map(key));
  expect(names([...scope.resources.values()].map((resource) => resource.key.name))).toEqual(
    ['web', 'cart', 'cart-v2', 'split', 'deep', 'mesh', 'namespace', 'service', 'route'].sort(),
  );
});

test('what is for sidecars beside its targets comes with the own service, and brings the service that it leads to', () => {
  const index = new MeshIndex(
    testKinds,
    stateOf(
      anUpstream('own', 'db', atService('web')),
      anUpstream('called', 'cache', atService('cart')),
      anUpstream('namespace', 'queue', atNamespace('default')),
      anUpstream('foreign', 'vault', atNamespace('other')),
      aPolicy('route', atRoute('own')),
      aPolicy('db', atService('db')),
    ),
  );
  const scope = scopeOf(index, key('web'), [key('cart'), 'other/web']);
  expect(names(scope.services)).toEqual([...['cart', 'db', 'queue', 'web'].map(key), 'other/web']);
  expect(names([...scope.resources.values()].map((resource) => resource.key.name))).toEqual(['db', 'namespace', 'own']);
  expect(names(scopeOf(index, key('cart'), []).services)).toEqual(['cache', 'cart', 'queue'].map(key));
});

test('routes that send to each other end the walk', () => {
  const index = new MeshIndex(testKinds, stateOf(aRoute('a', ['a'], ['b']), aRoute('b', ['b'], ['a'])));
  expect(names(scopeOf(index, key('a'), []).services)).toEqual(['a', 'b'].map(key));
});

test('a kind that is not known goes to every sidecar, so that no policy is lifted in silence', () => {
  const index = new MeshIndex(testKinds, stateOf({ ...aService('x'), kind: 'FuturePolicy' }));
  expect(names(scopeOf(index, key('web'), []).resources.keys())).toEqual(['FuturePolicy default/x']);
});

test('the same content has the same version and the same octets for all', () => {
  const one = new MeshIndex(testKinds, stateOf(aService('a', { b: 1, c: 2 })));
  const two = new MeshIndex(testKinds, stateOf(aService('a', { c: 2, b: 1 })));
  expect(one.get('Service default/a')?.encoded).toEqual(two.get('Service default/a')?.encoded);
  const of = (own: string) => scopeOf(one, key(own), [key('a')]).resources.get('Service default/a')?.spec;
  expect(of('x')).toBe(of('y'));
});

describe('a service that has joined without a resource', () => {
  const specOf = (index: MeshIndex) => {
    const spec = index.get('Service default/cart')?.encoded.spec;
    return spec === undefined ? undefined : JSON.parse(Buffer.from(spec).toString());
  };

  test('has the port and the protocol that it says', () => {
    const index = new MeshIndex(testKinds);
    expect([...index.join(key('cart'), { port: 9000, protocol: 'grpc' })]).toEqual(['Service default/cart']);
    expect(specOf(index)).toEqual({ ports: [{ port: 9000, protocol: 'grpc' }], endpoints: [] });
    expect(index.declares(key('cart'))).toBe(true);
    expect([...index.join(key('cart'), { port: 9000, protocol: 'grpc' })]).toEqual([]);
    expect(names(scopeOf(index, key('web'), [key('cart')]).resources.keys())).toEqual(['Service default/cart']);
    index.join(key('cart'), { port: 9001, protocol: '' });
    expect(specOf(index)).toEqual({ ports: [{ port: 9001 }], endpoints: [] });
    expect([...index.join(key('cart'), undefined)]).toEqual(['Service default/cart']);
    expect(index.declares(key('cart'))).toBe(false);
  });

  test('is what its resource says as long as there is one', () => {
    const index = new MeshIndex(testKinds, stateOf(aService('cart', { from: 'the log' })));
    expect([...index.join(key('cart'), { port: 9000, protocol: 'tcp' })]).toEqual([]);
    expect(specOf(index)).toEqual({ from: 'the log' });
    index.apply(remove(aService('cart')));
    expect(specOf(index)).toMatchObject({ ports: [{ port: 9000 }] });
    index.apply(put(aService('cart', { from: 'the log again' })));
    expect(specOf(index)).toEqual({ from: 'the log again' });
    index.join(key('cart'), undefined);
    expect(specOf(index)).toEqual({ from: 'the log again' });
  });
});

describe('the scopes of many sidecars', () => {
  const member = () => {
    const told: ReturnType<typeof scopeOf>[] = [];
    return { told, onScope: (scope: ReturnType<typeof scopeOf>) => void told.push(scope) };
  };

  test('a revision tells those whom it concerns and nobody else', () => {
    const scopes = new Scopes(new MeshIndex(testKinds, stateOf(aService('cart'), aService('other'))));
    const [web, bystander] = [member(), member()];
    scopes.join(web, key('web'), [key('cart')]);
    scopes.join(bystander, key('bystander'), [key('other')]);

    scopes.apply([put(aRoute('split', ['cart'], ['cart-v2']))]);
    expect(web.told).toHaveLength(1);
    expect(names(web.told[0]!.services)).toContain(key('cart-v2'));
    scopes.apply([put(aService('cart-v2')), put(aPolicy('late', atRoute('split')))]);
    expect(web.told).toHaveLength(2);
    scopes.apply([put(aPolicy('late', atService('other')))]); // moved away: it concerns the old and the new target
    expect(web.told).toHaveLength(3);
    expect(web.told[2]!.resources.has('RetryPolicy default/late')).toBe(false);
    expect(bystander.told).toHaveLength(1);
    scopes.apply([remove(aRoute('split', [], []))]);
    expect(names(web.told[3]!.services)).toEqual(['cart', 'web'].map(key));
    expect(bystander.told).toHaveLength(1);
  });

  test('the same content again tells nobody', () => {
    const scopes = new Scopes(new MeshIndex(testKinds, stateOf(aService('cart'))));
    const web = member();
    scopes.join(web, key('web'), [key('cart')]);
    scopes.apply([put(aService('cart'))]);
    expect(web.told).toEqual([]);
  });

  test('sidecars of equal needs share one scope, and nothing is held when all have left', () => {
    const scopes = new Scopes(new MeshIndex(testKinds, stateOf(aService('cart'))));
    const [one, two] = [member(), member()];
    const first = scopes.join(one, key('web'), [key('cart'), key('a')]);
    expect(scopes.join(two, key('web'), [key('a'), key('cart')])).toBe(first);
    scopes.apply([put(aPolicy('p', atService('cart')))]);
    expect(one.told[0]).toBe(two.told[0]);
    expect(sameScope(first, one.told[0]!)).toBe(false);
    scopes.leave(one);
    scopes.join(two, key('web'), []);
    scopes.leave(two);
    scopes.leave(two);
    expect(scopes.size).toEqual({ groups: 0, topics: 0 });
  });
});
