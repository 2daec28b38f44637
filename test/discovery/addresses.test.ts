/** Addresses of services on loopback, from the store of the control plane to the sidecar, over a real connection. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { allotAddresses } from '../../lib/service-address.ts';
import { type Discovery, type DiscoveryOptions, startDiscovery } from '../../sidecar/snapshot/discovery.ts';
import { openDisk } from '../../sidecar/snapshot/disk.ts';
import type { Inputs } from '../../sidecar/snapshot/inputs.ts';
import { aService, key } from '../harness/discovery-fixtures.ts';
import { type DiscoveryServer, startDiscoveryServer } from '../harness/discovery-server.ts';
import { until } from '../harness/until.ts';

const addressOf = (name: string): string => allotAddresses([key(name)]).get(key(name))!;

let mesh: DiscoveryServer;
let sidecars: Discovery[];
beforeEach(async () => {
  sidecars = [];
  mesh = await startDiscoveryServer({ allotting: true });
});
afterEach(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.close()));
  await mesh.close();
});

function sidecar(options: Partial<DiscoveryOptions> = {}) {
  const accepted: Inputs[] = [];
  const discovery = startDiscovery({
    channel: () => mesh.channel('web'),
    hello: {
      namespace: 'default',
      service: 'web',
      instance: 'web-1',
      inbound: { address: '10.1.1.1', port: 15006 },
      admin: '127.0.0.1:15000',
      version: '0.1.0',
    },
    accept: async (inputs) => {
      accepted.push(inputs);
      return [];
    },
    subscriptions: [key('cart')],
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    onRoots: () => undefined,
    ...options,
  });
  sidecars.push(discovery);
  const addresses = () => Object.fromEntries(accepted.at(-1)?.addresses ?? []);
  return { discovery, accepted, addresses };
}

test('every service that is there has an address, one that is not has none, and one that comes back has its own again', async () => {
  await mesh.apply(aService('web'), aService('cart'));
  const { addresses, discovery } = sidecar({ subscriptions: [key('cart'), key('ghost')] });
  await until('both have one', () => Object.keys(addresses()).length === 2);
  expect(addresses()).toEqual({ [key('cart')]: addressOf('cart'), [key('web')]: addressOf('web') });

  await mesh.remove(aService('cart'));
  await until('it is gone', () => Object.keys(addresses()).length === 1);
  await mesh.apply(aService('cart'), aService('ghost'));
  await until('both are there', () => Object.keys(addresses()).length === 3);
  expect(addresses()).toMatchObject({ [key('cart')]: addressOf('cart'), [key('ghost')]: addressOf('ghost') });
  expect(discovery.status().lastNack).toBeUndefined();
});

test('an address that was taken by another service before stays with that service, also after a restart', async () => {
  await mesh.store.vault.put(`service-addresses/${addressOf('cart')}`, Buffer.from('default/other'), 0);
  await mesh.apply(aService('cart'));
  const first = sidecar();
  await until('it has one', () => first.addresses()[key('cart')] !== undefined);
  const address = first.addresses()[key('cart')];
  expect(address).not.toBe(addressOf('cart'));

  const { dir, port } = mesh;
  await mesh.stop();
  await until('the end is seen', () => !first.discovery.status().connected);
  mesh = await startDiscoveryServer({ dir, port, allotting: true });
  const second = sidecar();
  await until('it has one', () => second.addresses()[key('cart')] !== undefined);
  expect(second.addresses()[key('cart')]).toBe(address);
  // The first one knows it, and was not told again.
  await until('the first is back', () => first.discovery.status().connected);
  expect(new Set(first.accepted.slice(-1).map(({ addresses }) => addresses.get(key('cart'))))).toEqual(
    new Set([address]),
  );
});

test('without a control plane a sidecar has the addresses of before', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'weft-sidecar-'));
  const owner = 'spiffe://weft.test/ns/default/sa/web';
  const disk = () => openDisk({ file: join(dir, 'inputs.json'), owner, clock: systemClock, log: silentLog });
  await mesh.apply(aService('cart'));
  const first = disk();
  const one = sidecar({ disk: first });
  await until('it has one', () => one.addresses()[key('cart')] !== undefined);
  await one.discovery.close();
  await first.close();

  const second = disk();
  const two = sidecar({ disk: second, channel: () => undefined });
  await two.discovery.synced;
  expect(two.addresses()).toEqual(one.addresses());
  await two.discovery.close();
  await second.close();
  await rm(dir, { recursive: true });
});
