import { systemClock } from '../../lib/clock.ts';
import { rawOrigin } from '../../test/harness/origin.ts';
import { refusedAddress } from '../../test/harness/refused.ts';
import type { ServiceRoutes, Snapshot } from '../snapshot/snapshot.ts';
import { leaveToApp, namePlaces } from './places.ts';

const snapshotOf = (services: Record<string, readonly number[]>, addresses: Record<string, string>) =>
  ({
    services: new Map(Object.entries(services).map(([key, ports]) => [key, { key, ports } as ServiceRoutes])),
    addresses: new Map(Object.entries(addresses)),
  }) satisfies Pick<Snapshot, 'services' | 'addresses'>;

test('each service that has an address has a place for each of its ports, under its name', () => {
  const places = namePlaces(
    snapshotOf(
      { 'shop/web': [80], 'default/db': [5432, 5433], 'default/old': [80] },
      { 'shop/web': '127.200.0.1', 'default/db': '127.200.0.2' },
    ),
  );
  expect(places).toEqual([
    { service: 'default/db', address: { host: '127.200.0.2', port: 5432 }, from: 'name db.default.mesh', named: true },
    { service: 'default/db', address: { host: '127.200.0.2', port: 5433 }, from: 'name db.default.mesh', named: true },
    { service: 'shop/web', address: { host: '127.200.0.1', port: 80 }, from: 'name web.shop.mesh', named: true },
  ]);
});

test('an address leads to one service, whatever it was told', () => {
  const both = { 'default/a': '127.200.0.1', 'default/b': '127.200.0.1' };
  expect(namePlaces(snapshotOf({ 'default/b': [81], 'default/a': [80] }, both))).toMatchObject([
    { service: 'default/a' },
  ]);
});

test('the port of the app is left to it until it listens; all others are not waited for', async () => {
  const gone = await refusedAddress();
  if ('path' in gone) throw new Error('a port is needed');
  const wanted = { host: '127.200.0.1', port: gone.port };
  await expect(leaveToApp(gone, wanted, systemClock)).rejects.toThrow('is left to the app until it listens there');
  await leaveToApp(gone, { ...wanted, port: 1 }, systemClock);
  await leaveToApp({ path: '/tmp/app.sock' }, wanted, systemClock);
  await using app = await rawOrigin(() => undefined);
  if ('path' in app.address) throw new Error('a port is needed');
  await leaveToApp(app.address, { ...wanted, port: app.address.port }, systemClock);
});
