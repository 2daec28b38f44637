import { systemClock } from '../../../lib/clock.ts';
import { type Log, silentLog } from '../../../lib/log.ts';
import { type RunningConsul, startConsul } from '../../../test/harness/consul.ts';
import { eventually } from '../../../test/harness/eventually.ts';
import { findTool } from '../../../test/harness/tools.ts';
import type { RegistryEndpoint, SidecarSource, Source } from '../registry.ts';
import { consulSource } from './consul.ts';
import { catalogName, serviceOf } from './consul-catalog.ts';
import { sidecarSource } from './sidecar.ts';

test('names in the catalog and services of the mesh are one to one', () => {
  for (const [service, name] of [
    ['default/web', 'web'],
    ['shop/web', 'shop.web'],
  ] as const) {
    expect(catalogName(service)).toBe(name);
    expect(serviceOf(name)).toBe(service);
  }
  for (const name of ['default.web', 'a.b.c', 'Web', 'my_service', '', '.', 'a.'])
    expect(serviceOf(name)).toBeUndefined();
});

const program = findTool('consul');

(program === undefined ? describe.skip : describe)('on a real Consul', () => {
  let consul: RunningConsul;
  const opened: { close(): Promise<void> }[] = [];
  beforeEach(async () => {
    consul = await startConsul(program!);
    opened.push(consul);
  }, 30_000);
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  });

  interface ControlPlane {
    readonly own: SidecarSource;
    readonly source: Source;
  }
  function start(instance: string, log: Log = silentLog): ControlPlane {
    const own = sidecarSource();
    const { address } = consul;
    const source = consulSource({ address, instance, trustDomain: 'mesh.local', clock: systemClock, log, own });
    opened.push(source);
    return { own, source };
  }

  const sidecar = (name: string, port: number, namespace = 'default') => ({
    id: `${name}-${port}`,
    address: '10.0.0.1',
    port,
    weight: 2,
    identity: `spiffe://mesh.local/ns/${namespace}/sa/${name}`,
    locality: 'zone-a',
  });

  interface CheckOf {
    readonly Name?: string;
    readonly Status: string;
    readonly Output: string;
  }

  /** Resolves when the endpoints of a service are as wanted. */
  const until = (
    source: Source,
    service: string,
    wanted: (list: readonly RegistryEndpoint[]) => boolean,
  ): Promise<readonly RegistryEndpoint[]> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!wanted(source.endpoints(service))) return;
        end();
        resolve(source.endpoints(service));
      };
      const end = source.subscribe((changed) => changed === service && look());
      look();
    });
  const count = (n: number) => (list: readonly RegistryEndpoint[]) => list.length === n;

  const registerForeign = (id: string, more: object = {}): Promise<unknown> =>
    consul.api('PUT', '/agent/service/register', {
      ID: id,
      Name: 'billing',
      Address: '10.9.9.9',
      Port: 8080,
      Check: { CheckID: `check-${id}`, TTL: '10m', Status: 'passing' },
      ...more,
    });

  test('two control planes see the sidecars of each other, and not their own again', async () => {
    const [a, b] = [start('cp-a'), start('cp-b')];
    a.own.put('default/web', sidecar('web', 1));
    b.own.put('default/web', sidecar('web', 2));
    b.own.put('shop/cart', sidecar('cart', 3, 'shop'));
    expect(await until(b.source, 'default/web', count(1))).toMatchObject([{ ...sidecar('web', 1), source: 'consul' }]);
    expect(await until(a.source, 'default/web', count(1))).toMatchObject([sidecar('web', 2)]);
    expect(await until(a.source, 'shop/cart', count(1))).toMatchObject([sidecar('cart', 3, 'shop')]);
    expect([...a.source.services()].sort()).toEqual(['default/web', 'shop/cart']);
    expect(b.source.endpoints('shop/cart')).toEqual([]);

    a.own.put('default/web', { ...sidecar('web', 1), weight: 7 });
    await until(b.source, 'default/web', ([first]) => first?.weight === 7);
    a.own.remove('default/web', 'web-1');
    await until(b.source, 'default/web', count(0));
    expect(a.source.endpoints('default/web')).toHaveLength(1);
  });

  test('`consul catalog services` lists our services, with what they are', async () => {
    const [a, b] = [start('cp-a'), start('cp-b')];
    a.own.put('default/web', sidecar('web', 1));
    a.own.put('shop/cart', sidecar('cart', 3, 'shop'));
    await Promise.all([until(b.source, 'default/web', count(1)), until(b.source, 'shop/cart', count(1))]);
    expect((await consul.cli('catalog', 'services')).trim().split('\n')).toEqual(['consul', 'shop.cart', 'web']);
    const [found] = (await consul.api('GET', '/health/service/shop.cart?passing')) as { Service: object }[];
    expect(found?.Service).toMatchObject({
      Address: '10.0.0.1',
      Port: 3,
      Meta: {
        'weft-namespace': 'shop',
        'weft-identity': 'spiffe://mesh.local/ns/shop/sa/cart',
        'weft-locality': 'zone-a',
        'weft-control-plane': 'cp-a',
      },
    });
  });

  test('a sidecar that is not ready is in the catalog, critical and with the reason, and nobody is sent to it', async () => {
    const [a, b] = [start('cp-a'), start('cp-b')];
    const checks = async (): Promise<readonly unknown[]> => {
      const found = (await consul.api('GET', '/health/service/web')) as { Checks: CheckOf[] }[];
      return found.flatMap(({ Checks }) => Checks.filter(({ Name }) => Name === 'weft').map(of));
    };
    const of = ({ Status, Output }: CheckOf) => ({ Status, Output });
    const untilChecks = (...wanted: CheckOf[]) =>
      eventually(
        'the checks are as wanted',
        async () => JSON.stringify(await checks()) === JSON.stringify(wanted.map(of)) || undefined,
        10_000,
      );
    a.own.putUnready('default/web', sidecar('web', 1), 'the app answered 503 to GET /health');
    await untilChecks({ Status: 'critical', Output: 'the app answered 503 to GET /health' });
    expect(b.source.endpoints('default/web')).toEqual([]);
    a.own.put('default/web', sidecar('web', 1));
    await until(b.source, 'default/web', count(1));
    await untilChecks({ Status: 'passing', Output: '' });
    a.own.putUnready('default/web', sidecar('web', 1), 'draining');
    await until(b.source, 'default/web', count(0));
    await untilChecks({ Status: 'critical', Output: 'draining' });
    a.own.remove('default/web', 'web-1');
    await untilChecks();
  }, 40_000);

  test('what a sidecar says of its service goes with it; others are named by the port that all of them have', async () => {
    const [a, b] = [start('cp-a'), start('cp-b')];
    a.own.put('default/web', { ...sidecar('web', 1), declared: { port: 50051, protocol: 'grpc' } });
    const [web] = await until(b.source, 'default/web', count(1));
    expect(web?.declared).toEqual({ port: 50051, protocol: 'grpc' });
    await registerForeign('b1');
    const [one] = await until(b.source, 'default/billing', count(1));
    expect(one?.declared).toEqual({ port: 8080, protocol: '' });
    await registerForeign('b2', { Port: 8081 });
    const both = await until(b.source, 'default/billing', count(2));
    expect(both.map(({ declared }) => declared?.port)).toEqual([80, 80]);
  });

  test('a service that somebody else registered is imported as plain text; a failing check or its end removes it', async () => {
    const { source } = start('cp-a');
    await registerForeign('b1');
    await registerForeign('b2', { Port: 8081, Weights: { Passing: 5, Warning: 1 } });
    const list = await until(source, 'default/billing', count(2));
    expect(list).toMatchObject([
      { address: '10.9.9.9', port: 8080, weight: 1, identity: '', source: 'consul' },
      { address: '10.9.9.9', port: 8081, weight: 5, identity: '', source: 'consul' },
    ]);
    await consul.api('PUT', '/agent/check/fail/check-b1');
    expect(await until(source, 'default/billing', count(1))).toMatchObject([{ port: 8081 }]);
    await consul.api('PUT', '/agent/check/pass/check-b1');
    await until(source, 'default/billing', count(2));
    for (const id of ['b1', 'b2']) await consul.api('PUT', `/agent/service/deregister/${id}`);
    await until(source, 'default/billing', count(0));
    expect(source.services()).toEqual([]);
  });

  test('the catalog cannot choose another identity for a service, nor make it plain text', async () => {
    const refused: unknown[] = [];
    const { source, own } = start('cp-a', {
      ...silentLog,
      warn: (event, fields) => void refused.push(event, fields?.identity),
    });
    const Meta = { 'weft-control-plane': 'cp-x', 'weft-identity': 'spiffe://mesh.local/ns/default/sa/evil' };
    await registerForeign('plain');
    await until(source, 'default/billing', count(1));
    await registerForeign('evil', { Meta, Port: 666 });
    await registerForeign('good', { Meta: { ...Meta, 'weft-identity': sidecar('billing', 1).identity }, Port: 1 });
    const proved = await until(source, 'default/billing', (list) => list.some(({ identity }) => identity !== ''));
    expect(proved.map(({ port }) => port)).toEqual([1]);
    expect(refused).toContain('registry.foreign_identity');
    expect(refused).toContain('spiffe://mesh.local/ns/default/sa/evil');
    await consul.api('PUT', '/agent/service/deregister/good');
    await until(source, 'default/billing', ([first]) => first?.identity === '');
    own.put('default/billing', sidecar('billing', 9));
    expect(source.endpoints('default/billing')).toEqual([]);
  });

  test('while Consul is away the last answer stays, and a Consul that comes back empty hears of our sidecars again', async () => {
    const [a, b] = [start('cp-a'), start('cp-b')];
    a.own.put('default/web', sidecar('web', 1));
    await until(b.source, 'default/web', count(1));
    await consul.kill();
    a.own.put('default/web', sidecar('web', 2));
    expect(b.source.endpoints('default/web')).toHaveLength(1);
    await consul.restart();
    const list = await until(b.source, 'default/web', count(2));
    expect(list.map(({ port }) => port)).toEqual([1, 2]);
  }, 40_000);

  test('when a control plane stops, its sidecars stay in the catalog until their checks expire', async () => {
    const [a, b] = [start('cp-a'), start('cp-b')];
    a.own.put('default/web', sidecar('web', 1));
    await until(b.source, 'default/web', count(1));
    await a.source.close();
    // The sidecar has gone over to b: it is the same endpoint, now known first-hand.
    b.own.put('default/web', sidecar('web', 1));
    expect(b.source.endpoints('default/web')).toHaveLength(1);
    await until(b.source, 'default/web', count(0));
  }, 40_000);
});
