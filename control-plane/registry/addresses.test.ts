import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualClock, systemClock } from '../../lib/clock.ts';
import { jsonLog, silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { serviceAddresses } from '../../lib/service-address.ts';
import { type RunningConsul, startConsul } from '../../test/harness/consul.ts';
import { closedAfterEach } from '../../test/harness/owned.ts';
import { findTool } from '../../test/harness/tools.ts';
import { until } from '../../test/harness/until.ts';
import { openConsulStore } from '../store/consul.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import { type Store, StoreError, type Vault } from '../store/store.ts';
import { Addresses, type AddressesOptions } from './addresses.ts';

const common = { clock: systemClock, random: seededRandom(1), log: silentLog };
const candidates = (service: string) => [...serviceAddresses(service).take(3)];

/** Resolves with the address once it is known. */
async function known(addresses: Addresses, service: string): Promise<string> {
  await until(`${service} has an address`, () => addresses.of(service) !== '');
  return addresses.of(service);
}

const own = closedAfterEach();

function allotting(vault: Vault, options: Partial<AddressesOptions> = {}): Addresses {
  return own(new Addresses({ vault, ...common, ...options }));
}

describe('on the embedded store', () => {
  let dir: string;
  let store: Store;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'weft-addresses-'));
    store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLog });
  });
  afterEach(async () => {
    await store.close();
    rmSync(dir, { recursive: true });
  });

  test('a service has the address that follows from its name, and watchers hear of it once', async () => {
    const addresses = allotting(store.vault);
    const told: string[] = [];
    addresses.subscribe((service) => told.push(`${service} ${addresses.of(service)}`));
    expect(addresses.of('default/payments')).toBe('');
    expect(await known(addresses, 'default/payments')).toBe(candidates('default/payments')[0]);
    expect(told).toEqual([`default/payments ${candidates('default/payments')[0]}`]);
  });

  test('where another service was first it has the next one, and keeps it when the first could be had', async () => {
    const [first, second, third] = candidates('default/payments');
    for (const [address, service] of [
      [first, 'default/other'],
      [second, 'default/another'],
    ])
      await store.vault.put(`service-addresses/${address}`, Buffer.from(service!), 0);
    expect(await known(allotting(store.vault), 'default/payments')).toBe(third);
    expect(await known(allotting(store.vault), 'default/payments')).toBe(third);
  });

  test('the address outlives the control plane', async () => {
    const before = await known(allotting(store.vault), 'default/payments');
    await store.close();
    store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLog });
    expect(await known(allotting(store.vault), 'default/payments')).toBe(before);
    expect(await store.vault.list('service-addresses/')).toEqual([`service-addresses/${before}`]);
  });

  test('a store that is away is asked again, with one line in the log, and nobody is told an address meanwhile', async () => {
    const clock = manualClock();
    const lines: string[] = [];
    let away = true;
    let asked = 0;
    const vault: Vault = {
      get(key) {
        asked++;
        return away ? Promise.reject(new StoreError('UNAVAILABLE', 'no leader')) : store.vault.get(key);
      },
      list: (prefix) => store.vault.list(prefix),
      // Written, and the answer is lost: the next attempt must find what is its own.
      async put(key, value, version) {
        await store.vault.put(key, value, version);
        throw new StoreError('UNCERTAIN', 'no answer');
      },
      delete: (key, version) => store.vault.delete(key, version),
    };
    const log = jsonLog({ write: (line) => lines.push(line) });
    const addresses = allotting(vault, { clock, log });
    addresses.of('default/payments');
    for (let tries = 1; tries < 4; tries++) {
      await until('it has been asked', () => asked === tries);
      expect(addresses.of('default/payments')).toBe('');
      // Behind whatever the failure has still to do.
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(5000);
    }
    away = false;
    await until('it is known', () => {
      clock.advance(5000);
      return addresses.of('default/payments') !== '';
    });
    expect(addresses.of('default/payments')).toBe(candidates('default/payments')[0]);
    expect(lines.filter((line) => line.includes('addresses.unknown'))).toHaveLength(1);
  });
});

const consulProgram = findTool('consul');

(consulProgram === undefined ? describe.skip : describe)('on one Consul', () => {
  let consul: RunningConsul;
  beforeEach(async () => {
    consul = await startConsul(consulProgram!);
  }, 30_000);
  afterEach(() => consul.close());

  test('control planes that allot at the same time agree, and no two services share an address', async () => {
    const open = async () =>
      own(await openConsulStore({ address: consul.address, prefix: 'weft/', clock: systemClock, log: silentLog }));
    const stores = [await open(), await open(), await open()];
    const each = stores.map(({ vault }) => allotting(vault));
    const services = Array.from({ length: 60 }, (_, n) => `default/s${n}`);
    // Somebody has what most of them want first.
    for (const service of services.slice(0, 40)) {
      const [wanted] = candidates(service);
      await stores[0]!.vault.put(`service-addresses/${wanted}`, Buffer.from('default/squatter'), 0);
    }
    const found = await Promise.all(each.map((addresses) => Promise.all(services.map((one) => known(addresses, one)))));
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
    expect(new Set(found[0]).size).toBe(services.length);
  }, 60_000);
});
