// Services that speak neither form of HTTP: from a local port of the caller's sidecar to the app, through the mesh.
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { type Address, formatAddress } from '../../lib/address.ts';
import { rawClient } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { type RawPeer, rawOrigin } from '../harness/origin.ts';
import { refusedAddress } from '../harness/refused.ts';
import { startTestSidecar, type TestSidecarOptions } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

const anywhere: Address = { host: '127.0.0.1', port: 0 };

const service = (name: string, protocol = 'tcp'): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 5432, protocol: ${protocol} }] }
`;

/** Two sidecars and an app `db` beside the second. */
async function meshed(app: Address, given: { caller?: TestSidecarOptions; callee?: TestSidecarOptions } = {}) {
  const callee = await startTestSidecar({
    name: 'db',
    app,
    mtls: 'strict',
    credentials: await mesh.live('db'),
    yaml: service('db'),
    ...given.callee,
  });
  const caller = await startTestSidecar({
    name: 'shop',
    credentials: await mesh.live('shop'),
    services: { db: [{ at: callee.inbound, identity: mesh.id('db') }] },
    yaml: service('db'),
    upstreams: { db: anywhere },
    ...given.caller,
  });
  return {
    callee,
    caller,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await callee[Symbol.asyncDispose]();
    },
  };
}

const echo = ({ socket }: RawPeer): void => {
  socket.on('data', (text: string) => socket.write(text, 'latin1'));
  socket.on('end', () => socket.end());
};

/** How a connection ends of which nobody says a word: the code of its error, or ''. The end may come with its beginning. */
function endOf(address: Address): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ ...address });
    let code = '';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    socket.on('close', () => resolve(code));
    socket.resume();
  });
}

test('octets of any kind reach the app and come back, through two sidecars', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(app.address);
  await using client = await rawClient(await pair.caller.upstream('db'));
  const all = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
  await client.send(all);
  await client.octets.until('the echo', (text) => text.length === 256 || undefined);
  expect(client.octets.text).toBe(all.toString('latin1'));
  client.half();
  await client.over();
  await until('nothing is left', () => app.peers[0]!.octets.closed);
});

test('a service that speaks first is heard without a word of the caller', async () => {
  await using app = await rawOrigin(({ write }) => write('220 db.test ready\r\n'));
  await using pair = await meshed(app.address);
  await using client = await rawClient(await pair.caller.upstream('db'));
  await client.octets.until('the greeting', (text) => text.endsWith('\r\n') || undefined);
  expect(client.octets.text).toBe('220 db.test ready\r\n');
});

test('a caller that has said all still hears the answer, and a service that has still hears the caller', async () => {
  await using app = await rawOrigin(async ({ number, octets, socket }) => {
    if (number === 1) {
      await octets.until('the end', (_, over) => over || undefined);
      socket.end(`you said ${octets.text}`);
    } else socket.end('I say');
  });
  await using pair = await meshed(app.address);
  const address = await pair.caller.upstream('db');
  await using first = await rawClient(address);
  await first.send('this');
  first.half();
  await first.over();
  expect(first.octets.text).toBe('you said this');

  await using second = await rawClient(address);
  await second.over();
  expect(second.octets).toMatchObject({ text: 'I say', closed: false });
  await second.send('that');
  await until('it arrives', () => app.peers[1]!.octets.text === 'that');
  second.half();
  await until('nothing is left', () => app.peers[1]!.octets.closed);
});

test('a reset on either side is a reset on the other, over the mesh as well', async () => {
  await using app = await rawOrigin(({ number, socket, write }) => {
    write('half of');
    if (number === 2) socket.on('data', () => socket.resetAndDestroy());
  });
  await using pair = await meshed(app.address);
  const address = await pair.caller.upstream('db');
  await using first = await rawClient(address);
  await first.octets.until('some', (text) => text === 'half of' || undefined);
  first.reset();
  await until('the app sees it', () => app.peers[0]!.octets.closed);
  expect(app.peers[0]!.octets.error).toBe('ECONNRESET');

  await using second = await rawClient(address);
  await second.octets.until('some', (text) => text === 'half of' || undefined);
  await second.send('x');
  await until('the caller sees it', () => second.octets.closed);
  expect(second.octets.error).toBe('ECONNRESET');
});

test('200 MiB in each direction at once arrive as they were sent', async () => {
  const chunk = randomBytes(1024 * 1024);
  const times = 200;
  const expected = createHash('sha256');
  for (let i = 0; i < times; i++) expected.update(chunk);
  const wanted = expected.digest('hex');
  const both = new Map<string, string>();
  const exchange = (socket: Socket, who: string): void => {
    socket.removeAllListeners('data');
    const heard = createHash('sha256');
    socket.on('data', (text: string) => heard.update(text, 'latin1'));
    socket.on('end', () => both.set(who, heard.digest('hex')));
    let left = times;
    const more = (): void => {
      while (left > 0 && socket.write(chunk)) left--;
      if (left > 0) left--;
      else socket.end();
    };
    socket.on('drain', more);
    more();
  };
  await using app = await rawOrigin(({ socket }) => exchange(socket, 'app'));
  await using pair = await meshed(app.address);
  await using client = await rawClient(await pair.caller.upstream('db'));
  exchange(client.socket, 'client');
  const end = performance.now() + 60_000;
  while (both.size < 2 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  expect([both.get('app'), both.get('client')]).toEqual([wanted, wanted]);
}, 90_000);

test('endpoints that do not take the connection are passed over', async () => {
  await using app = await rawOrigin(({ socket, number }) => void socket.end(`${number}`));
  const refused = [await refusedAddress(), await refusedAddress()];
  await using caller = await startTestSidecar({
    services: { db: [...refused, app.address] },
    yaml: service('db'),
    upstreams: { db: anywhere },
  });
  for (const number of ['1', '2', '3', '4', '5', '6']) {
    await using client = await rawClient(await caller.upstream('db'));
    await client.octets.until('an answer', (text) => text === number || undefined);
    client.half();
  }
  await until('all are over', () => caller.connections.length === 6);
  expect(caller.connections.some(({ attempts }) => attempts > 1)).toBe(true);
  expect(caller.connections.every(({ upstream }) => upstream === formatAddress(app.address))).toBe(true);
});

test('when no endpoint takes it, or there is none, the caller is told by a reset', async () => {
  await using caller = await startTestSidecar({
    services: { db: [await refusedAddress()], nothing: [] },
    yaml: `${service('db')}---${service('nothing')}`,
    upstreams: { db: anywhere, nothing: anywhere },
  });
  for (const name of ['db', 'nothing']) expect(await endOf(await caller.upstream(name))).toBe('ECONNRESET');
  expect(caller.connections.map(({ code }) => code)).toEqual(['UPSTREAM_CONNECT', 'NO_ENDPOINT']);
});

test('a service that nobody knows closes the connection; one that becomes known meanwhile is reached', async () => {
  await using app = await rawOrigin(({ socket }) => void socket.end('hello'));
  const answers: (() => void)[] = [];
  await using caller = await startTestSidecar({
    upstreams: { db: anywhere },
    resolve: () => new Promise((resolve) => answers.push(resolve)),
  });
  const address = await caller.upstream('db');
  await using first = await rawClient(address);
  await until('somebody is asked', () => answers.length === 1);
  answers.pop()!();
  await first.over();
  expect(first.octets.text).toBe('');

  await using second = await rawClient(address);
  await until('somebody is asked', () => answers.length === 1);
  await caller.apply({ services: { db: [app.address] }, yaml: service('db') });
  answers.pop()!();
  await second.octets.until('the answer', (text) => text === 'hello' || undefined);
  second.half();
  await caller.apply({ absent: ['default/db'] });
  await using third = await rawClient(address);
  await third.over();
  expect(answers).toEqual([]);
  await until('all are over', () => caller.connections.length === 3);
  expect(caller.connections.map(({ code }) => code).sort()).toEqual(['', 'NO_SERVICE', 'NO_SERVICE']);
});

test('draining takes no more connections and lets those that are there go on until the time is up', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(app.address);
  const address = await pair.caller.upstream('db');
  await using client = await rawClient(address);
  await client.send('a');
  await client.octets.until('the echo', (text) => text === 'a' || undefined);
  const drained = pair.caller.dataPlane.drain(300);
  await expect(rawClient(address)).rejects.toThrow(/ECONNREFUSED/);
  await client.send('b');
  await client.octets.until('the echo', (text) => text === 'ab' || undefined);
  await drained;
  await pair.caller.dataPlane.close();
  await until('it is broken off', () => client.octets.closed);
  expect(client.octets.error).toBe('ECONNRESET');
  expect(pair.caller.connections.map(({ code }) => code)).toEqual(['DRAINING']);
});

test('draining is over as soon as the last connection is', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(app.address);
  await using client = await rawClient(await pair.caller.upstream('db'));
  await client.send('a');
  await client.octets.until('the echo', (text) => text === 'a' || undefined);
  const drained = pair.caller.dataPlane.drain(60_000);
  client.half();
  await drained;
});

test('an endpoint that proves to be another service gets nothing', async () => {
  await using app = await rawOrigin(() => undefined);
  await using pair = await meshed(app.address, { callee: { credentials: await mesh.live('other') } });
  expect(await endOf(await pair.caller.upstream('db'))).toBe('ECONNRESET');
  expect(app.peers).toEqual([]);
});

test('each connection is counted while it is open, and told when it is over', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(app.address);
  const at = await pair.caller.upstream('db');
  const out = 'direction="outbound",service="default/shop",peer="default/db"';
  const into = 'direction="inbound",service="default/db",peer="default/shop"';
  await using client = await rawClient(at);
  await client.send('12345');
  await client.octets.until('the echo', (text) => text === '12345' || undefined);
  for (const [sidecar, labels] of [
    [pair.caller, out],
    [pair.callee, into],
  ] as const) {
    expect(sidecar.metrics()).toContain(`weft_tcp_connections{${labels}} 1\n`);
    expect(sidecar.metrics()).toContain(`weft_tcp_to_service_bytes_total{${labels}} 5\n`);
    expect(sidecar.metrics()).toContain(`weft_tcp_to_caller_bytes_total{${labels}} 5\n`);
  }
  client.half();
  await client.over();
  await using second = await rawClient(at);
  await second.send('x');
  await second.octets.until('the echo', (text) => text === 'x' || undefined);
  second.reset();
  await until('all are over', () => pair.caller.connections.length === 2 && pair.callee.connections.length === 2);
  for (const [sidecar, labels] of [
    [pair.caller, out],
    [pair.callee, into],
  ] as const) {
    expect(sidecar.metrics()).toContain(`weft_tcp_connections{${labels}} 0\n`);
    expect(sidecar.metrics()).toContain(`weft_tcp_connections_opened_total{${labels}} 2\n`);
    expect(sidecar.metrics()).toContain(`weft_tcp_connections_closed_total{${labels},code=""} 1\n`);
    expect(sidecar.metrics()).toContain(`weft_tcp_connections_closed_total{${labels},code="DOWNSTREAM_GONE"} 1\n`);
  }
  expect(pair.caller.connections[0]).toMatchObject({
    protocol: 'TCP',
    code: '',
    peer: mesh.id('db'),
    downstream: '127.0.0.1',
    upstream: formatAddress(pair.callee.inbound),
    attempts: 1,
    requestBytes: 5,
    responseBytes: 5,
  });
  expect(pair.callee.connections[0]).toMatchObject({ peer: mesh.id('shop'), upstream: formatAddress(app.address) });
});

test('a port for a service of HTTP leads all requests to it, whatever their host', async () => {
  await using app = await rawOrigin(async (peer) => {
    for (;;) {
      const head = await peer.head();
      const [, host = ''] = /^host: (.*)$/im.exec(head) ?? [];
      peer.write(`HTTP/1.1 200 OK\r\ncontent-length: ${host.length}\r\n\r\n${host}`);
    }
  });
  await using caller = await startTestSidecar({
    services: { db: [app.address] },
    yaml: service('db', 'http'),
    upstreams: { db: anywhere },
  });
  await using client = await rawClient(await caller.upstream('db'));
  await client.send('GET / HTTP/1.1\r\nhost: anything.example\r\n\r\n');
  expect(await client.response()).toMatchObject({ status: 200, body: 'anything.example' });
  await client.send('not http at all\r\n\r\n');
  expect((await client.response()).status).toBe(400);
});
