// Services by their names: looked up at the sidecar, reached at their own address and real port.
import { createServer, get } from 'node:http';
import { connect as connectH2 } from 'node:http2';
import type { LookupFunction } from 'node:net';
import type { DataPlane } from '../../sidecar/data-plane.ts';
import { rawClient } from '../harness/client.ts';
import { freePort } from '../harness/free-port.ts';
import { grpcCaller, grpcOrigin } from '../harness/grpc.ts';
import { makeIdentities } from '../harness/identities.ts';
import { testNames } from '../harness/names.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { echo, meshed } from '../harness/tcp.ts';
import { until } from '../harness/until.ts';
import { startTestWorkers } from '../harness/workers.ts';

const address = '127.200.17.4';
const serviceAt = (name: string, protocol: string, ...ports: readonly number[]): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [${ports.map((port) => `{ port: ${port}, protocol: ${protocol} }`).join(', ')}] }
`;

/** DNS over what this sidecar runs. */
const namesOf = (dataPlane: Pick<DataPlane, 'snapshot' | 'names'>, resolve?: () => Promise<void>) =>
  testNames({
    inForce: dataPlane.snapshot,
    reachable: (service) => dataPlane.names.has(service),
    ...(resolve === undefined ? {} : { resolve }),
  });

/** What an app gets that knows nothing but the URL. */
async function fetched(url: string, names: Awaited<ReturnType<typeof testNames>>): Promise<string> {
  const lookup: LookupFunction = (host, options, done) =>
    void names.lookup(host).then(
      ([first = '']) => (options.all ? done(null, [{ address: first, family: 4 }]) : done(null, first, 4)),
      (error: NodeJS.ErrnoException) => done(error, '', 4),
    );
  return new Promise((resolve, reject) => {
    const request = get(url, { lookup, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}

test('an app that knows a URL and nothing else reaches the service, at each of its ports', async () => {
  const [first, second] = [await freePort(), await freePort()];
  await using origin = await http1Origin((req, res) => void res.end(`${req.headers.host}`));
  await using caller = await startTestSidecar({
    names: true,
    services: { payments: [origin.address] },
    yaml: serviceAt('payments', 'http', first, second),
    addresses: { payments: address },
  });
  await using names = await namesOf(caller.dataPlane);
  expect(await names.lookup('payments.mesh')).toEqual([address]);
  for (const port of [first, second])
    for (const name of ['payments.mesh', 'payments.default.mesh'])
      expect(await fetched(`http://${name}:${port}/`, names)).toBe(`${name}:${port}`);
  await until('they are recorded', () => caller.records.length === 4);
  expect(caller.records.every(({ code }) => code === '')).toBe(true);
});

test('the first one to ask for a service finds it open as soon as it is told where it is', async () => {
  const port = await freePort();
  await using origin = await http1Origin('hello');
  const config = {
    services: { payments: [origin.address] },
    yaml: serviceAt('payments', 'http', port),
  };
  await using caller = await startTestSidecar({ names: true });
  let asked = 0;
  // As a control plane may: the service first, its address a little later.
  await using names = await namesOf(caller.dataPlane, async () => {
    asked++;
    await caller.apply(config);
    await caller.apply({ ...config, addresses: { payments: address } });
  });
  expect(await fetched(`http://payments.mesh:${port}/`, names)).toBe('hello');
  expect(asked).toBe(1);
});

test('HTTP/2 and gRPC are spoken at the port of a name', async () => {
  const port = await freePort();
  await using app = await grpcOrigin((call) => {
    call.on('data', (message: string) => call.write(message.toUpperCase()));
    call.on('end', () => call.end());
  });
  await using caller = await startTestSidecar({
    names: true,
    services: { talk: [app.address] },
    yaml: serviceAt('talk', 'grpc', port),
    addresses: { talk: address },
  });
  using client = grpcCaller({ host: address, port }, `talk.mesh:${port}`);
  expect(await client.ask('hello')).toBe('HELLO');

  const session = connectH2(`http://${address}:${port}`);
  const status = await new Promise((resolve, reject) => {
    session.on('error', reject);
    session
      .request({ ':path': '/nothing', ':authority': `talk.mesh:${port}` })
      .on('response', (head) => resolve(head[':status']));
  });
  // So a server of gRPC answers what is HTTP/2 and no gRPC.
  expect(status).toBe(415);
  await new Promise<void>((resolve) => session.close(resolve));
  await until('it is recorded', () => caller.records.length === 2);
});

test('a service that speaks first is heard at the port of its name, over mutual TLS', async () => {
  const port = await freePort();
  const mesh = await makeIdentities();
  await using app = await rawOrigin((peer) => {
    peer.write('220 ready\r\n');
    echo(peer);
  });
  await using callee = await meshed(mesh, app.address);
  await using caller = await startTestSidecar({
    name: 'shop',
    names: true,
    credentials: await mesh.live('shop'),
    services: { db: [{ at: callee.callee.inbound, identity: mesh.id('db') }] },
    yaml: serviceAt('db', 'tcp', port),
    addresses: { db: address },
  });
  await using client = await rawClient({ host: address, port });
  await client.octets.until('the greeting', (text) => text === '220 ready\r\n' || undefined);
  await client.send('hello');
  await client.octets.until('the echo', (text) => text.endsWith('hello') || undefined);
  client.half();
  await client.over();
  await until('it is recorded', () => caller.connections.length === 1);
});

test('a port that is taken is reported, stops nothing else, and is taken over once it is free', async () => {
  const [port, other] = [await freePort(), await freePort()];
  // All addresses, as a careless program has it: without a word its answers would pass for the service's.
  const squatter = createServer((_, res) => void res.end('not the service'));
  await new Promise<void>((resolve) => squatter.listen(port, '0.0.0.0', resolve));
  await using origin = await http1Origin('hello');
  await using caller = await startTestSidecar({
    names: true,
    services: { payments: [origin.address], cart: [origin.address] },
    yaml: `${serviceAt('payments', 'http', port)}---${serviceAt('cart', 'http', other)}`,
    addresses: { payments: address, cart: '127.200.17.5' },
  });
  await using names = await namesOf(caller.dataPlane);
  expect(await fetched(`http://cart.mesh:${other}/`, names)).toBe('hello');
  await expect(names.lookup('payments.mesh')).rejects.toMatchObject({ code: 'ESERVFAIL' });
  const line = caller.log.find((text) => text.includes('upstream.not-listening'))!;
  expect(JSON.parse(line)).toMatchObject({
    service: 'default/payments',
    listen: `${address}:${port}`,
    from: 'name payments.default.mesh',
    problem: expect.stringMatching(/EADDRINUSE|taken/),
    advice: expect.stringContaining('let it listen at 127.0.0.1'),
  });
  const { upstreams } = await caller.dataPlane.dump();
  expect(upstreams.map(({ service, problem }) => [service, problem === ''])).toEqual([
    ['default/cart', true],
    ['default/payments', false],
  ]);
  await new Promise((resolve) => squatter.close(resolve));
  await until('it is tried again', () => caller.dataPlane.names.has('default/payments'));
  expect(await fetched(`http://payments.mesh:${port}/`, names)).toBe('hello');
});

test('the own service is found where its app has the port at all addresses, and nothing is said of that', async () => {
  const port = await freePort();
  const app = createServer((_, res) => void res.end('the app itself'));
  await using caller = await startTestSidecar({
    name: 'web',
    names: true,
    app: { host: '127.0.0.1', port },
    services: { web: [] },
    yaml: serviceAt('web', 'http', port),
    addresses: { web: address },
  });
  await using names = await namesOf(caller.dataPlane);
  // Before the app has it, nobody does: the sidecar would keep the app from it.
  await expect(names.lookup('web.mesh')).rejects.toMatchObject({ code: 'ESERVFAIL' });
  expect(caller.log.join()).toContain(`port ${port} is left to the app until it listens there`);
  await new Promise<void>((resolve) => app.listen(port, '0.0.0.0', resolve));
  await until('it is found', () => caller.dataPlane.names.has('default/web'));
  expect(await fetched(`http://web.mesh:${port}/`, names)).toBe('the app itself');
  expect(caller.log.join()).not.toContain('EADDRINUSE');
  await new Promise((resolve) => app.close(resolve));
});

test('a service that is gone is listened for no longer, and what it carries is carried to its end', async () => {
  const port = await freePort();
  await using app = await rawOrigin(echo);
  const config = { services: { db: [app.address] }, yaml: serviceAt('db', 'tcp', port), addresses: { db: address } };
  await using caller = await startTestSidecar({ names: true, ...config });
  await using client = await rawClient({ host: address, port });
  await client.send('a');
  await client.octets.until('the echo', (text) => text === 'a' || undefined);
  await caller.apply({ absent: ['default/db'] });
  await expect(rawClient({ host: address, port })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await client.send('b');
  await client.octets.until('the echo', (text) => text === 'ab' || undefined);
  await caller.apply(config);
  await using again = await rawClient({ host: address, port });
  await again.send('c');
  await again.octets.until('the echo', (text) => text === 'c' || undefined);
  for (const each of [client, again]) {
    each.half();
    await each.over();
  }
  await until('both are recorded', () => caller.connections.length === 2);
});

test('names are hosts at the outbound port as well, with and without port, and in the form for proxies', async () => {
  await using origin = await http1Origin('hello');
  await using caller = await startTestSidecar({ services: { payments: [origin.address] } });
  for (const request of [
    'GET / HTTP/1.1\r\nHost: payments.mesh',
    'GET / HTTP/1.1\r\nHost: payments.default.mesh:50051',
    'GET http://payments.mesh/ HTTP/1.1\r\nHost: payments.mesh',
    'GET http://payments.mesh:50051/ HTTP/1.1\r\nHost: payments.mesh:50051',
  ]) {
    await using client = await caller.client();
    await client.send(`${request}\r\nConnection: close\r\n\r\n`);
    expect(await client.response()).toMatchObject({ status: 200, body: 'hello' });
  }
});

test('without --dns nobody listens at addresses of services', async () => {
  const port = await freePort();
  await using caller = await startTestSidecar({
    services: { db: [] },
    yaml: serviceAt('db', 'tcp', port),
    addresses: { db: address },
  });
  await expect(rawClient({ host: address, port })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(caller.dataPlane.names.has('default/db')).toBe(false);
});

test('all threads of a sidecar listen at the address of a name before it is told', async () => {
  const port = await freePort();
  await using origin = await http1Origin('hello');
  await using mesh = await startTestWorkers({ names: true, threads: 2 });
  const { workers } = mesh;
  expect(workers.names.has('default/payments')).toBe(false);
  await mesh.apply({
    services: { payments: [origin.address] },
    yaml: serviceAt('payments', 'http', port),
    addresses: { payments: address },
  });
  await using names = await namesOf(workers);
  for (let n = 0; n < 20; n++) expect(await fetched(`http://payments.mesh:${port}/`, names)).toBe('hello');
  await mesh.apply({ absent: ['default/payments'] });
  await until('it is told', () => !workers.names.has('default/payments'));
  await expect(names.lookup('payments.mesh')).rejects.toMatchObject({ code: 'ENOTFOUND' });
}, 60_000);
