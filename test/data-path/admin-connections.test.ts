// Connections for admin pages: few, kept under pressure, and no reason to wait for a sidecar that ends.
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { manualClock } from '../../lib/clock.ts';
import { Live } from '../../lib/live.ts';
import { ADMIN_PROTOCOL } from '../../sidecar/admin/over-mesh.ts';
import { answerTo } from '../../sidecar/admin/pages.ts';
import { adminClient, adminParts, asked, exchange, kept, statusOf } from '../harness/admin.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecarOptions } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';
import { startTestWorkers } from '../harness/workers.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});
const readPage = async (target: string) =>
  answerTo(
    adminParts(() => undefined),
    'GET',
    target,
  );
const options = async (app: Origin, more: Partial<TestSidecarOptions> = {}): Promise<TestSidecarOptions> => ({
  name: 'web',
  app: app.address,
  mtls: 'strict',
  credentials: await mesh.live('web'),
  readPage,
  ...more,
});

const clientOf = () => adminClient(mesh);

test('connections are few, and do not keep a sidecar from ending', async () => {
  await using app = await http1Origin();
  await using sidecar = await startTestSidecar(await options(app));
  const many = await Promise.all(Array.from({ length: 16 }, async () => kept(sidecar.inbound, await clientOf())));
  expect(await exchange(sidecar.inbound, await clientOf(), asked('GET', '/ready'))).toMatch(/^!/);
  expect(await many[0]!.get('/ready')).toBe('200');
  many[1]!.socket.destroy();
  await until('there is room again', () => sidecar.metrics().includes('{direction="inbound",end="downstream"} 15'));
  expect(statusOf(await exchange(sidecar.inbound, await clientOf(), asked('GET', '/ready')))).toBe('200');
  // None of them is traffic that somebody waits for.
  await sidecar.dataPlane.drain(60_000);
});

test('a new certificate ends connections behind their answers, and the next one is taken', async () => {
  await using app = await http1Origin();
  const own = new Live((await mesh.live('web')).current);
  const page = Promise.withResolvers<Awaited<ReturnType<typeof readPage>>>();
  const arrived = Promise.withResolvers<void>();
  const slow = async (target: string) => {
    arrived.resolve();
    return target === '/config' ? page.promise : readPage(target);
  };
  await using sidecar = await startTestSidecar(await options(app, { credentials: own, readPage: slow }));
  const resting = await kept(sidecar.inbound, await clientOf());
  const answering = await kept(sidecar.inbound, await clientOf());
  const answer = answering.get('/config');
  await arrived.promise;
  const ended = [resting, answering].map(({ socket }) => once(socket, 'close'));
  own.set((await mesh.live('web')).current);
  await ended[0];
  page.resolve(await readPage('/config'));
  expect(await answer).toBe('200');
  await ended[1];
  expect(statusOf(await exchange(sidecar.inbound, await clientOf(), asked('GET', '/ready')))).toBe('200');
});

test('a sidecar that refuses connections for overload is still read on those that are there', async () => {
  await using app = await http1Origin();
  const clock = manualClock(Date.now());
  const reading = { memory: 0, lateMs: 0 };
  await using sidecar = await startTestSidecar(await options(app, { clock, readings: () => reading }));
  const before = await kept(sidecar.inbound, await clientOf());
  reading.memory = 0.96;
  clock.advance(200);
  expect(sidecar.metrics()).toContain('weft_overload_level 2');
  expect(await exchange(sidecar.inbound, await clientOf(), asked('GET', '/ready'))).toMatch(/^!/);
  expect(await before.get('/metrics')).toBe('200');
  before.socket.destroy();
});

test('with several threads every thread has the pages, and a failure is logged once', async () => {
  await using app = await http1Origin('the app');
  await using sidecar = await startTestWorkers({
    app: app.address,
    mtls: 'strict',
    credentials: await mesh.live('web'),
    readPage,
  });
  const client = await clientOf();
  const connections = (): number[] => ['0', '1'].map((worker) => sidecar.metric('weft_worker_connections', { worker }));
  const open: TLSSocket[] = [];
  // The system chooses the thread.
  while (connections().some((count) => count === 0)) {
    const { socket, get } = await kept(sidecar.inbound, await clientOf());
    open.push(socket);
    expect(await get('/config')).toBe('200');
    if (open.length > 16) throw new Error('they have all come to one thread');
  }
  expect(statusOf(await exchange(sidecar.inbound, client, asked('GET', '/info')))).toBe('500');
  await until('it is logged', () => sidecar.log.some(({ event }) => event === 'an admin page failed'));
  for (const socket of open) socket.destroy();
  const other = {
    ...(await mesh.client('cart')),
    ALPNProtocols: [ADMIN_PROTOCOL],
    checkServerIdentity: () => undefined,
  };
  expect(await exchange(sidecar.inbound, other, asked('GET', '/ready'))).toMatch(/^!/);
});
