import { manualClock } from '../../lib/clock.ts';
import { keyText, type Resource } from '../../policies/resource.ts';
import type { Push } from '../../proto/gen/weft/v1/Push.ts';
import {
  aPolicy,
  aRoute,
  aService,
  atService,
  key,
  testKinds,
  testRegistry,
} from '../../test/harness/discovery-fixtures.ts';
import { EndpointTable, told } from '../snapshots/endpoints.ts';
import { MeshIndex } from '../snapshots/mesh-index.ts';
import { scopeOf } from '../snapshots/scope.ts';
import { type Held, holdsNothing, Subscription, type World } from './subscription.ts';

const problem = { resource: 'RetryPolicy default/p', path: 'spec', message: 'no' };

/** A mesh whose revisions are made by hand, and one sidecar of service web. */
function setUp(resources: Resource[] = [], subscriptions = ['cart'], held: Held = holdsNothing, claimed = 0) {
  const registry = testRegistry();
  const table = new EndpointTable(registry, manualClock());
  const index = new MeshIndex(testKinds);
  for (const resource of resources) index.apply({ op: 'put', resource });
  let wanted = subscriptions;
  let revision = 1;
  let roots = { version: 'r1', certificates: [Buffer.from('root')] };
  const scope = () => scopeOf(index, key('web'), wanted.map(key));
  const sidecar = new Subscription(scope(), held, claimed);
  const world = (): World => ({
    revision,
    roots,
    endpoints(service, before) {
      const choice = table.resolve(service, before, () => false);
      return choice.view.byId.size > 0 || index.declares(service) ? choice : undefined;
    },
    address: () => '',
  });
  return {
    sidecar,
    registry,
    current: () => revision,
    next: () => sidecar.next(world()),
    /** Sends and acknowledges all that there is. */
    sync() {
      const pushes: Push[] = [];
      for (let push = sidecar.next(world()); push !== undefined; push = sidecar.next(world())) {
        pushes.push(push);
        sidecar.ack(Number(push.nonce));
      }
      return pushes;
    },
    revise(...changed: Resource[]) {
      revision++;
      for (const resource of changed) index.apply({ op: 'put', resource });
      sidecar.want(scope(), revision);
    },
    subscribe(names: string[]) {
      wanted = names;
      sidecar.want(scope());
    },
    endpoint(name: string, id: string, port?: number) {
      registry.add(name, id, port);
      sidecar.touch(key(name));
    },
    setRoots: (version: string) => {
      roots = { version, certificates: [Buffer.from(version)] };
    },
  };
}

const resourcesOf = (push: Push | undefined) =>
  (push?.resources ?? []).map(({ key: of }) => keyText(of as never)).sort();
const endpointsOf = (push: Push | undefined) =>
  (push?.endpoints ?? []).map(({ service, added, removed, dropped }) => ({
    service: service?.name,
    added: (added ?? []).map(({ id }) => id),
    removed: removed ?? [],
    dropped: dropped ?? false,
  }));
const none = { added: [], removed: [], dropped: false };

describe('the first push', () => {
  test('is complete', () => {
    const mesh = setUp([aService('web'), aService('cart'), aRoute('r', ['cart'], ['ghost'])]);
    mesh.registry.add('cart', 'c1');
    const push = mesh.next();
    expect(push).toMatchObject({ nonce: 1, revision: 1, full: true, roots: [Buffer.from('root')] });
    expect(resourcesOf(push)).toEqual(['HTTPRoute default/r', 'Service default/cart', 'Service default/web']);
    expect(endpointsOf(push)).toEqual([
      { ...none, service: 'web' },
      { ...none, service: 'cart', added: ['c1'] },
    ]);
    expect(push?.absent).toEqual([{ namespace: 'default', name: 'ghost' }]);
  });

  test('answers a sidecar that holds everything with nothing but the revision', () => {
    const first = setUp([aService('web'), aService('cart')]);
    first.registry.add('cart', 'c1');
    const push = first.next();
    const versions = (push?.endpoints ?? []).map(({ service, added }) => {
      const byId = new Map((added ?? []).map(({ id, version }) => [id ?? '', { version: version ?? '' }]));
      return [key(service?.name ?? ''), { generation: told, byId }] as const;
    });
    const held: Held = {
      scope: undefined,
      resources: new Map((push?.resources ?? []).map((found) => [keyText(found.key as never), found as never])),
      services: new Map(versions),
      addresses: new Map(),
      roots: 'r1',
    };
    const again = setUp([aService('web'), aService('cart')], ['cart'], held, 1);
    again.registry.add('cart', 'c1');
    const answer = { revision: 1, full: false, resources: [], removed: [], endpoints: [], absent: [], roots: [] };
    expect(again.next()).toMatchObject(answer);
    again.sidecar.ack(1);
    expect(again.next()).toBeUndefined();
  });
});

describe('later pushes', () => {
  test('have only what differs', () => {
    const mesh = setUp([aService('web'), aService('cart'), aPolicy('p', atService('cart'))]);
    mesh.sync();
    mesh.revise(aPolicy('p', atService('cart'), 'y'));
    const [push] = mesh.sync();
    expect(resourcesOf(push)).toEqual(['RetryPolicy default/p']);
    expect(push).toMatchObject({ revision: 2, full: false, removed: [], endpoints: [], roots: [] });
    mesh.revise(aPolicy('p', atService('elsewhere')));
    expect(mesh.sync()[0]).toMatchObject({ resources: [], removed: [{ kind: 'RetryPolicy', name: 'p' }] });
  });

  test('one endpoint that changes is one endpoint sent', () => {
    const mesh = setUp([aService('cart')]);
    for (const id of ['a', 'b', 'c']) mesh.endpoint('cart', id);
    mesh.sync();
    mesh.endpoint('cart', 'b', 81);
    const [push] = mesh.sync();
    expect(endpointsOf(push)).toEqual([{ ...none, service: 'cart', added: ['b'] }]);
    expect(push?.resources).toEqual([]);
  });

  test('a change of nothing sends nothing', () => {
    const mesh = setUp([aService('cart')]);
    mesh.sync();
    mesh.sidecar.touchAll();
    mesh.revise(aService('cart'));
    expect(mesh.next()).toBeUndefined();
    expect(mesh.sidecar.revision(mesh.current())).toBe(2);
  });

  test('an absent service is listed in each push until it exists, and again when it is gone', () => {
    const mesh = setUp([aService('web')]);
    const cart = { namespace: 'default', name: 'cart' };
    expect(mesh.sync()[0]?.absent).toEqual([cart]);
    mesh.endpoint('web', 'w');
    expect(mesh.sync()[0]?.absent).toEqual([cart]);
    mesh.endpoint('cart', 'c');
    expect(mesh.sync()[0]).toMatchObject({ absent: [], endpoints: [{ service: cart, added: [{ id: 'c' }] }] });
    mesh.registry.remove(key('cart'), 'c');
    mesh.sidecar.touch(key('cart'));
    expect(mesh.sync()[0]).toMatchObject({ absent: [cart], endpoints: [] });
  });

  test('a service that is no longer asked for is dropped, and its changes are not sent', () => {
    const mesh = setUp([aService('web'), aService('cart')]);
    mesh.endpoint('cart', 'c');
    mesh.sync();
    mesh.subscribe([]);
    const [push] = mesh.sync();
    expect(endpointsOf(push)).toEqual([{ ...none, service: 'cart', dropped: true }]);
    expect(push?.removed).toMatchObject([{ kind: 'Service', name: 'cart' }]);
    mesh.endpoint('cart', 'd');
    expect(mesh.sync()).toEqual([]);
  });

  test('new roots are sent once', () => {
    const mesh = setUp([aService('web')]);
    mesh.sync();
    mesh.setRoots('r2');
    expect(mesh.sync().map(({ roots }) => roots)).toEqual([[Buffer.from('r2')]]);
  });
});

describe('a slow sidecar', () => {
  test('has one push under way, and then gets the latest in one', () => {
    const mesh = setUp([aService('cart')]);
    const first = mesh.next();
    for (let i = 0; i < 100; i++) {
      mesh.revise(aService('cart', { i }));
      mesh.endpoint('cart', `e${i % 3}`, i);
      expect(mesh.next()).toBeUndefined();
    }
    expect(mesh.sidecar.revision(mesh.current())).toBe(0);
    expect(mesh.sidecar.ack(Number(first?.nonce))).toBe(true);
    expect(mesh.sidecar.revision(mesh.current())).toBe(1);
    expect(mesh.sidecar.state).toBe('pending');
    const pushes = mesh.sync();
    expect(pushes).toHaveLength(1);
    expect(pushes[0]?.revision).toBe(101);
    expect(endpointsOf(pushes[0])[0]?.added).toEqual(['e0', 'e1', 'e2']);
    expect(mesh.sidecar.state).toBe('synced');
  });

  test('an answer with another nonce is ignored', () => {
    const mesh = setUp([aService('cart')]);
    const push = mesh.next();
    expect(mesh.sidecar.ack(7)).toBe(false);
    expect(mesh.sidecar.nack(0, [problem])).toBe(false);
    expect(mesh.sidecar.state).toBe('pending');
    expect(mesh.sidecar.ack(Number(push?.nonce))).toBe(true);
    expect(mesh.sidecar.ack(Number(push?.nonce))).toBe(false);
  });
});

describe('a refused push', () => {
  const refused = () => {
    const mesh = setUp([aService('web'), aService('cart')]);
    mesh.endpoint('cart', 'c1');
    mesh.sync();
    mesh.revise(aPolicy('p', atService('cart'), 'bad'));
    mesh.sidecar.nack(Number(mesh.next()?.nonce), [problem]);
    return mesh;
  };

  test('is not sent again, and the sidecar counts as running what it ran', () => {
    const mesh = refused();
    expect(mesh.next()).toBeUndefined();
    expect(mesh.sidecar.revision(mesh.current())).toBe(1);
    expect(mesh.sidecar.state).toBe('rejected');
    expect(mesh.sidecar.problems).toEqual([problem]);
  });

  test('does not hold back endpoints, whose pushes leave its resources out', () => {
    const mesh = refused();
    mesh.endpoint('cart', 'c2');
    const [push] = mesh.sync();
    expect(push).toMatchObject({ revision: 1, resources: [], removed: [] });
    expect(endpointsOf(push)).toEqual([{ ...none, service: 'cart', added: ['c2'] }]);
    expect(mesh.sidecar.state).toBe('rejected');
  });

  test('is followed by the next revision with all that is missing', () => {
    const mesh = refused();
    mesh.revise(aPolicy('q', atService('cart')));
    expect(resourcesOf(mesh.next())).toEqual(['RetryPolicy default/p', 'RetryPolicy default/q']);
    mesh.sidecar.ack(3);
    expect(mesh.sidecar.problems).toEqual([]);
    expect(mesh.sidecar.revision(mesh.current())).toBe(3);
  });

  test('is forgotten when a revision takes back what was refused', () => {
    const mesh = refused();
    mesh.revise(aPolicy('p', atService('elsewhere')));
    expect(mesh.next()).toBeUndefined();
    expect(mesh.sidecar.state).toBe('synced');
    expect(mesh.sidecar.revision(mesh.current())).toBe(3);
  });

  test('that was the first leaves the sidecar with nothing until something changes', () => {
    const mesh = setUp([aService('web'), aPolicy('p', atService('cart'), 'bad')]);
    mesh.sidecar.nack(Number(mesh.next()?.nonce), [problem]);
    mesh.endpoint('cart', 'c');
    expect(mesh.next()).toBeUndefined();
    expect(mesh.sidecar.revision(mesh.current())).toBe(0);
    mesh.revise(aPolicy('p', atService('cart'), 'good'));
    expect(mesh.next()).toMatchObject({ full: true, revision: 2 });
  });

  test('of endpoints alone waits for the next change of one', () => {
    const mesh = setUp([aService('cart')]);
    mesh.sync();
    mesh.endpoint('cart', 'bad');
    mesh.sidecar.nack(Number(mesh.next()?.nonce), [problem]);
    expect(mesh.next()).toBeUndefined();
    mesh.endpoint('cart', 'good');
    expect(endpointsOf(mesh.sync()[0])[0]?.added).toEqual(['bad', 'good']);
    expect(mesh.sidecar.state).toBe('synced');
  });
});

test('a push that the sidecar could not take is not made, and the reason is told', () => {
  const mesh = setUp([aService('cart', 'x'.repeat(31 * 1024 * 1024))]);
  expect(mesh.next()).toBeUndefined();
  expect(mesh.sidecar.state).toBe('rejected');
  expect(mesh.sidecar.problems[0]?.message).toMatch(/the limit is/);
});
