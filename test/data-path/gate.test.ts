import { manualClock } from '../../lib/clock.ts';
import type { Reading } from '../../sidecar/limits/readings.ts';
import { Callers } from '../harness/callers.ts';
import { makeLeaf, rawExtension } from '../harness/certs.ts';
import { rawClient, requestText } from '../harness/client.ts';
import { makeIdentities } from '../harness/identities.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const refusals = (sidecar: TestSidecar): unknown[] =>
  sidecar.log.map((line) => JSON.parse(line)).filter(({ event }) => event === 'connections refused');

test('RES-CONN-LIMIT: connections beyond the limit are closed, the others are served, and a free place is taken again', async () => {
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, limits: { connections: 3 } });
  using callers = new Callers();
  await callers.open(sidecar.outbound, 2);
  await using client = await sidecar.client();
  await callers.open(sidecar.outbound, 5);
  await until('five are closed', () => callers.closed === 5);
  await client.send(requestText());
  expect((await client.response()).body).toBe('hello');
  expect(sidecar.dataPlane.outbound.connections).toBe(3);
  expect(refusals(sidecar)).toMatchObject([{ level: 'warn', reason: 'limit', address: '127.0.0.1' }]);

  callers.all[0]!.destroy();
  await until('there is room', () => sidecar.dataPlane.outbound.connections === 2);
  expect((await sidecar.send()).body).toBe('hello');
});

test('RES-FD: no more files than there may be, over all listeners', async () => {
  await using sidecar = await startTestSidecar({ limits: { filesForCallers: 4 } });
  using callers = new Callers();
  await callers.open(sidecar.inbound, 3);
  await until('three are there', () => sidecar.dataPlane.inbound.connections === 3);
  await callers.open(sidecar.outbound, 3);
  await until('two are closed', () => callers.closed === 2);
  expect(sidecar.dataPlane.outbound.connections).toBe(1);
  expect(refusals(sidecar)).toMatchObject([{ reason: 'files' }]);
  callers.all[0]!.destroy();
  await until('there is room', () => sidecar.dataPlane.inbound.connections === 2);
  await callers.open(sidecar.outbound, 1);
  await until('it is taken', () => sidecar.dataPlane.outbound.connections === 2);
});

test('connections of one address are limited inbound, but for those of this machine', async () => {
  await using sidecar = await startTestSidecar({
    inbound: { host: '0.0.0.0', port: 0 },
    limits: { connectionsPerAddress: 2 },
  });
  using callers = new Callers();
  await callers.open({ ...(sidecar.inbound as { port: number }), host: '127.0.0.1' }, 5);
  await until('all are there', () => sidecar.dataPlane.inbound.connections === 5);
  expect(callers.closed).toBe(0);
});

test('overloaded, no connection is taken, and afterwards they are', async () => {
  const clock = manualClock();
  let reading: Reading = { memory: 0.96, lateMs: 0 };
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock, readings: () => reading });
  clock.advance(100);
  using callers = new Callers();
  await callers.open(sidecar.outbound, 3);
  await until('all are closed', () => callers.closed === 3);
  expect(refusals(sidecar)).toMatchObject([{ reason: 'overload' }]);
  reading = { memory: 0.1, lateMs: 0 };
  clock.advance(3000);
  expect((await sidecar.send()).body).toBe('hello');
});

test('the log says once a second at most that connections are refused, and how many were', async () => {
  const clock = manualClock();
  await using sidecar = await startTestSidecar({ limits: { connections: 1 }, clock });
  using callers = new Callers();
  await callers.open(sidecar.outbound, 1);
  await until('one is there', () => sidecar.dataPlane.outbound.connections === 1);
  for (const total of [3, 6]) {
    await callers.open(sidecar.outbound, 3);
    await until('all are closed', () => callers.closed === total);
    clock.advance(1001);
  }
  expect(refusals(sidecar)).toMatchObject([{ reason: 'limit' }, { reason: 'limit', count: 3 }]);
});

describe('a handshake', () => {
  test.each(['strict', 'permissive'] as const)(
    'RES-TLS-HALF, RES-TLS-SLOW: has its time however it trickles in, and counts meanwhile (%s)',
    async (mtls) => {
      const mesh = await makeIdentities();
      await using origin = await http1Origin('hello');
      await using sidecar = await startTestSidecar({
        app: origin.address,
        mtls,
        credentials: await mesh.live('web'),
        limits: { handshakeMs: 700, headMs: 700, connections: 3 },
      });
      using callers = new Callers();
      const start = performance.now();
      await callers.open(sidecar.inbound, 2);
      const [, slow] = callers.all;
      // The beginning of a ClientHello, one octet at a time: record, version, length, message, its length.
      const hello = Buffer.from('16030100fa010000f6030300000000000000000000', 'hex');
      let sent = 0;
      const trickle = setInterval(() => slow!.write(hello.subarray(sent, ++sent)), 100);
      await using client = await rawClient(sidecar.inbound, await mesh.client('caller'));
      await callers.open(sidecar.inbound, 1);
      await until('there is no room beside them', () => callers.closed >= 1);
      await client.send(requestText());
      expect((await client.response()).body).toBe('hello');
      await until('both are closed', () => callers.closed === 3);
      clearInterval(trickle);
      expect(performance.now() - start).toBeLessThan(5000);
      await using another = await rawClient(sidecar.inbound, await mesh.client('caller'));
      expect(another.octets.closed).toBe(false);
    },
  );

  test('RES-CERT-BOMB: certificates beyond any measure are refused, and cost nothing to others', async () => {
    const mesh = await makeIdentities();
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({
      app: origin.address,
      mtls: 'strict',
      credentials: await mesh.live('web'),
    });
    await using good = await rawClient(sidecar.inbound, await mesh.client('caller'));
    const uris = [mesh.id('caller')];
    const names = Array.from({ length: 2000 }, (_, i) => `name-${i}.weft.test`);
    const large = rawExtension('1.2.3.4', false, new Uint8Array(64 * 1024));
    const huge = rawExtension('1.2.3.4', false, new Uint8Array(256 * 1024));
    for (const options of [{ dns: names }, { extensions: [large] }, { extensions: [huge] }]) {
      const leaf = await makeLeaf(mesh.root, { uris, ...options });
      const tls = { cert: leaf.chainPem, key: leaf.keyPem, ca: mesh.root.pem, ALPNProtocols: ['http/1.1'] };
      await using client = await rawClient(sidecar.inbound, tls);
      await client.send(requestText()).catch(() => undefined);
      await client.over();
      expect(client.octets.text).toBe('');
    }
    expect(sidecar.dataPlane.inbound.connections).toBe(1);
    expect(origin.requests).toEqual([]);
    await good.send(requestText());
    expect((await good.response()).body).toBe('hello');
  });
});
