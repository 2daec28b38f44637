import { once } from 'node:events';
import { createServer } from 'node:net';
import { formatAddress } from '../../lib/address.ts';
import { manualClock } from '../../lib/clock.ts';
import { rawClient } from '../../test/harness/client.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { type RawOrigin, rawOrigin } from '../../test/harness/origin.ts';
import { startTestSidecar, type TestConfig } from '../../test/harness/sidecar.ts';
import { until } from '../../test/harness/until.ts';

/** Says who it is, and then says it again for each octet. */
const named = (name: string): Promise<RawOrigin> =>
  rawOrigin(({ socket, write }) => {
    write(name);
    socket.on('data', () => write(name));
    socket.on('end', () => socket.end());
  });

const upstream = (name: string, service: string, port: number, more = ''): string => `---
apiVersion: weft.dev/v1
kind: Upstream
metadata: { name: ${name} }
spec: { service: ${service}, listen: '127.0.0.1:${port}'${more} }
`;
const services = ['a', 'b']
  .map(
    (name) => `---
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 1, protocol: tcp }] }
`,
  )
  .join('');

async function greeting(port: number): Promise<string> {
  await using client = await rawClient({ host: '127.0.0.1', port });
  return await client.octets.until('a greeting', (text) => text || undefined);
}

const refused = (port: number) => expect(rawClient({ host: '127.0.0.1', port })).rejects.toThrow('ECONNREFUSED');

test('addresses of resources are there as long as the resources are, and connections outlive them', async () => {
  await using a = await named('A');
  await using b = await named('B');
  const [first, second] = [await freePort(), await freePort()];
  const config = (yaml: string): TestConfig => ({
    services: { a: [a.address], b: [b.address] },
    yaml: services + yaml,
  });
  await using sidecar = await startTestSidecar(config(upstream('one', 'a', first) + upstream('two', 'b', second)));
  await until('both are there', () => sidecar.log.filter((line) => line.includes('upstream.listening')).length === 2);
  expect([await greeting(first), await greeting(second)]).toEqual(['A', 'B']);

  await using client = await rawClient({ host: '127.0.0.1', port: first });
  await client.octets.until('a greeting', (text) => text === 'A' || undefined);
  await sidecar.apply(config(upstream('two', 'b', second)));
  await refused(first);
  expect(await greeting(second)).toBe('B');
  await client.send('?');
  await client.octets.until('another', (text) => text === 'AA' || undefined);

  // The same address, another service.
  await sidecar.apply(config(upstream('two', 'a', second)));
  await until(
    'it leads elsewhere',
    () => sidecar.log.filter((line) => line.includes('upstream.listening')).length === 3,
  );
  expect(await greeting(second)).toBe('A');
  await sidecar.apply(config(''));
  await refused(second);
  expect((await sidecar.dataPlane.dump()).upstreams).toEqual([]);
});

test('an address that is taken is told, tried again, and does not stop the others', async () => {
  const clock = manualClock();
  await using a = await named('A');
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const other = await freePort();
  await using sidecar = await startTestSidecar({
    clock,
    services: { a: [a.address] },
    yaml: services + upstream('blocked', 'a', port) + upstream('free', 'a', other),
  });
  await until('it is told', () => sidecar.log.some((line) => line.includes('upstream.not-listening')));
  await until('the other one is there', () => sidecar.log.some((line) => line.includes('upstream.listening')));
  expect(await greeting(other)).toBe('A');
  const [blocked] = (await sidecar.dataPlane.dump()).upstreams;
  expect(blocked).toMatchObject({ from: 'Upstream default/blocked', listen: `127.0.0.1:${port}` });
  expect(blocked!.problem).toContain('it is taken');
  clock.advance(500);
  const times = (): number => sidecar.log.filter((line) => line.includes('upstream.not-listening')).length;
  await until('it was tried again', () => times() === 2);
  clock.advance(600);
  expect(times()).toBe(2);
  taken.close();
  await once(taken, 'close');
  clock.advance(400);
  await until('it is there', () => sidecar.log.filter((line) => line.includes('upstream.listening')).length === 2);
  expect(await greeting(port)).toBe('A');
});

test('addresses are for the services that they name, or else for all of their namespace', async () => {
  const ports = await Promise.all([1, 2, 3, 4].map(() => freePort()));
  await using sidecar = await startTestSidecar({
    name: 'shop',
    services: { a: [] },
    yaml:
      services +
      upstream('all', 'a', ports[0]!) +
      upstream('us', 'a', ports[1]!, ', for: [shop]') +
      upstream('others', 'a', ports[2]!, ', for: [cart]') +
      upstream('elsewhere', 'a', ports[3]!).replace('name: elsewhere', 'name: elsewhere, namespace: other'),
  });
  const { upstreams } = await sidecar.dataPlane.dump();
  expect(upstreams.map(({ from }) => from)).toEqual(['Upstream default/all', 'Upstream default/us']);
});

test('an address of a setting that is taken keeps the sidecar from starting', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const at = { host: '127.0.0.1', port };
  await expect(startTestSidecar({ upstreams: { a: at } })).rejects.toThrow(formatAddress(at));
  taken.close();
});
