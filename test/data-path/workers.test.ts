import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { Address } from '../../lib/address.ts';
import { Live } from '../../lib/live.ts';
import type { Credentials } from '../../sidecar/tls/credentials.ts';
import { type RawClient, rawClient, requestText, send } from '../harness/client.ts';
import { freePort } from '../harness/free-port.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { inputsOf } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';
import { startTestWorkers, type TestWorkers } from '../harness/workers.ts';

/** Sends requests, each on a connection of its own, until both threads have ended some. Gives how many it took. */
async function untilBoth(mesh: TestWorkers, to: Address): Promise<number> {
  const ended = (): number[] => ['0', '1'].map((worker) => mesh.metric('weft_worker_requests_total', { worker }));
  const before = ended();
  for (let sent = 1; sent <= 200; sent++) {
    const { status } = await send(to);
    if (status !== 200) throw new Error(`answered with ${status}`);
    if (ended().every((count, worker) => count > before[worker]!)) return sent;
  }
  throw new Error('200 connections have all come to one thread');
}

test('both threads serve both listeners, and what they count is added up', async () => {
  await using origin = await http1Origin('x'.repeat(10));
  await using mesh = await startTestWorkers({ app: origin.address, services: { web: [origin.address] } });
  const out = await untilBoth(mesh, mesh.outbound);
  const into = await untilBoth(mesh, mesh.inbound);
  expect(mesh.metric('weft_requests_total', { direction: 'outbound', peer: 'default/web' })).toBe(out);
  expect(mesh.metric('weft_requests_total', { direction: 'inbound' })).toBe(into);
  expect(mesh.metric('weft_response_bytes_total')).toBe(10 * (out + into));
  expect(mesh.metric('weft_worker_requests_total')).toBe(out + into);
  expect(mesh.metric('weft_requests_in_flight')).toBe(0);
  expect(mesh.metric('weft_connections_opened_total', { end: 'downstream' })).toBe(out + into);
  const windows = mesh.telemetry.takeEdges();
  expect(windows.reduce((sum, { requests }) => sum + requests, 0)).toBe(out + into);
  expect(mesh.telemetry.takeEdges()).toEqual([]);
  await until('every request has its line', () => mesh.lines.length === out + into);
  for (const line of mesh.lines) expect(JSON.parse(line)).toMatchObject({ service: 'default/caller', status: 200 });
});

test('a change reaches every thread when it is accepted, and none when it is refused', async () => {
  await using before = await http1Origin('before');
  await using after = await http1Origin('after');
  await using mesh = await startTestWorkers({ services: { web: [before.address] } });
  const bodies = async (): Promise<Set<string>> => {
    const found = new Set<string>();
    for (let i = 0; i < 30; i++) found.add((await send(mesh.outbound)).body);
    return found;
  };
  expect(await bodies()).toEqual(new Set(['before']));
  await mesh.apply({ services: { web: [after.address] } });
  expect(await bodies()).toEqual(new Set(['after']));
  expect(mesh.workers.snapshot.current).toMatchObject({ revision: 2, ready: true });

  const inputs = await inputsOf({ services: { web: [before.address] } }, 3);
  const key = { kind: 'Unheard', namespace: 'default', name: 'of' };
  const issues = await mesh.workers.accept({
    ...inputs,
    resources: new Map([['Unheard default/of', { key, version: '1', spec: {} }]]),
  });
  expect(issues.map(({ message }) => message)).toEqual([expect.stringContaining('does not know the kind Unheard')]);
  expect(await bodies()).toEqual(new Set(['after']));
  expect(mesh.workers.snapshot.current.revision).toBe(2);
  const dump = await mesh.workers.dump();
  expect(dump).toMatchObject({ revision: 2, destinations: [{ service: 'default/web' }] });
  expect(dump.destinations[0]!.endpoints[0]!.connections).toBe(
    mesh.metric('weft_connections', { direction: 'outbound', end: 'upstream' }),
  );
});

test('a service that nobody has called is asked for, and the request waits for the answer', async () => {
  await using origin = await http1Origin('found');
  const asked: string[] = [];
  await using mesh = await startTestWorkers({
    async resolve(service) {
      asked.push(service);
      await mesh.apply({ services: { web: [origin.address] } });
    },
  });
  expect((await send(mesh.outbound)).body).toBe('found');
  expect(asked).toEqual(['default/web']);
});

describe('with certificates', () => {
  let identities: Identities;
  beforeAll(async () => {
    identities = await makeIdentities();
  });

  const serialAt = async (to: Address): Promise<string> => {
    if (!('port' in to)) throw new Error('not a port');
    const socket = connect({ ...to, ...(await identities.client('shop')), checkServerIdentity: () => undefined });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerX509Certificate()!;
    socket.destroy();
    return serialNumber;
  };

  test('a new certificate is the one of every thread', async () => {
    const credentials = new Live<Credentials | undefined>(undefined);
    await using mesh = await startTestWorkers({ mtls: 'strict', credentials });
    const seen = async (): Promise<Set<string>> => {
      const serials = new Set<string>();
      for (let i = 0; i < 20; i++) serials.add(await serialAt(mesh.inbound));
      return serials;
    };
    await expect(serialAt(mesh.inbound)).rejects.toThrow();
    credentials.set((await identities.live('web')).current);
    // The threads take it up each in its own time; behind an answer of all of them they have.
    await mesh.workers.dump();
    const [first, ...others] = await seen();
    expect(others).toEqual([]);
    credentials.set((await identities.live('web')).current);
    await mesh.workers.dump();
    const [second, ...more] = await seen();
    expect(more).toEqual([]);
    expect(second).not.toBe(first);
  });
});

test('requests under way in both threads are answered when it drains', async () => {
  const waiting: ServerResponse[] = [];
  await using origin = await http1Origin((_req, res) => void waiting.push(res));
  await using mesh = await startTestWorkers({ services: { web: [origin.address] } });
  const clients: RawClient[] = [];
  const busy = (): boolean => ['0', '1'].every((worker) => mesh.metric('weft_worker_connections', { worker }) > 0);
  while (clients.length < 10 || !busy()) {
    const client = await rawClient(mesh.outbound);
    await client.send(requestText());
    clients.push(client);
    await until('it is under way', () => waiting.length === clients.length);
  }
  expect(mesh.workers.outbound.connections).toBe(clients.length);
  const drained = mesh.workers.drain(10_000);
  for (const res of waiting) res.end('late');
  const answers = await Promise.all(clients.map((client) => client.response()));
  expect(answers.map(({ status, body }) => `${status} ${body}`)).toEqual(clients.map(() => '200 late'));
  await drained;
  await expect(rawClient(mesh.outbound)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test('a thread that dies is replaced, while the other one serves, and no count goes back', async () => {
  await using origin = await http1Origin('hello');
  await using mesh = await startTestWorkers({ services: { web: [origin.address] } });
  const sent = await untilBoth(mesh, mesh.outbound);
  const [first, second] = mesh.workers.seats;
  await first!.kill();
  expect([first!.alive, second!.alive]).toEqual([false, true]);
  expect(mesh.workers.snapshot.current.ready).toBe(true);
  const meanwhile = 10;
  for (let i = 0; i < meanwhile; i++) expect((await send(mesh.outbound)).body).toBe('hello');
  expect(mesh.metric('weft_requests_total')).toBe(sent + meanwhile);
  await until('it is replaced', () => first!.alive);
  // It begins with the configuration in force: nobody is told that there is none yet.
  const more = await untilBoth(mesh, mesh.outbound);
  expect(mesh.metric('weft_requests_total')).toBe(sent + meanwhile + more);
  expect(mesh.metric('weft_requests_in_flight')).toBe(0);
  expect(mesh.metric('weft_worker_restarts_total', { worker: '0' })).toBe(1);
  expect(mesh.log.find(({ event }) => event === 'worker.died')).toMatchObject({ worker: 0 });
  await mesh.apply({ services: { web: [origin.address] } });
  await untilBoth(mesh, mesh.outbound);
});

test('without any thread a sidecar is not ready, and a change waits for one', async () => {
  await using origin = await http1Origin('hello');
  await using mesh = await startTestWorkers({});
  await Promise.all(mesh.workers.seats.map((seat) => seat.kill()));
  expect(mesh.workers.snapshot.current).toMatchObject({
    ready: false,
    problem: expect.stringContaining('no worker thread'),
  });
  await mesh.apply({ services: { web: [origin.address] } });
  expect(mesh.workers.snapshot.current).toMatchObject({ revision: 2, ready: true });
  await until('both are back', () => mesh.workers.seats.every(({ alive }) => alive));
  await untilBoth(mesh, mesh.outbound);
});

test('a port that somebody else has is not shared with them', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const taken = server.address() as { readonly address: string; readonly port: number };
  const outbound = { host: taken.address, port: taken.port };
  await expect(startTestWorkers({ outbound })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  server.close();
  await once(server, 'close');
  await using mesh = await startTestWorkers({ outbound });
  expect(mesh.outbound).toEqual(outbound);
  await expect(startTestWorkers({ outbound })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('a port that leads to one service is served by both threads, octet by octet', async () => {
  await using origin = await rawOrigin(async ({ octets, socket }) => {
    const said = await octets.until('a sentence', (text) => (text.endsWith('.') ? text : undefined));
    socket.end(`you said ${said}`);
  });
  const address = { host: '127.0.0.1', port: await freePort() };
  const yaml = `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 5432, protocol: tcp }] }
`;
  const upstreams = [{ service: 'default/db', address }];
  await using mesh = await startTestWorkers({ upstreams, yaml, services: { db: [origin.address] } });
  const clients: RawClient[] = [];
  const open = (worker: string): number => mesh.metric('weft_worker_connections', { worker });
  while (clients.length < 200 && (open('0') === 0 || open('1') === 0)) {
    const client = await rawClient(address);
    clients.push(client);
    await client.send(`${clients.length}.`);
    const answer = await client.octets.until('the answer', (text, over) => (over ? text : undefined));
    expect(answer).toBe(`you said ${clients.length}.`);
  }
  expect(clients.length).toBeLessThan(200);
  const { upstreams: shown } = await mesh.workers.dump();
  expect(shown).toMatchObject([
    { service: 'default/db', listen: `127.0.0.1:${address.port}`, connections: clients.length },
  ]);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test('a unix-domain socket is served by the first thread, also when that has died', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-workers-'));
  try {
    await using origin = await http1Origin('hello');
    const outbound = { path: join(folder, 'out') };
    await using mesh = await startTestWorkers({ outbound, services: { web: [origin.address] } });
    const [first, second] = mesh.workers.seats;
    for (let i = 0; i < 5; i++) expect((await send(outbound)).body).toBe('hello');
    expect(mesh.metric('weft_worker_requests_total', { worker: '0' })).toBe(5);
    await second!.kill();
    expect((await send(outbound)).body).toBe('hello');
    await first!.kill();
    await until('it is replaced', () => first!.alive);
    expect((await send(outbound)).body).toBe('hello');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('spans of the threads go through the exporter of the sidecar', async () => {
  await using origin = await http1Origin('hello');
  // Nobody listens there: each span that arrives at the exporter is counted as given up.
  const telemetry = { otlpEndpoint: 'http://127.0.0.1:1', traceSample: 1 };
  const mesh = await startTestWorkers({ services: { web: [origin.address] }, telemetry });
  const sent = await untilBoth(mesh, mesh.outbound);
  await mesh[Symbol.asyncDispose]();
  expect(mesh.metric('weft_spans_dropped_total', { reason: 'export_failed' })).toBe(sent);
});
