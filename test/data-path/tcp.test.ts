// Services that speak neither form of HTTP: from a local port of the caller's sidecar to the app, through the mesh.
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { formatAddress } from '../../lib/address.ts';
import { rawClient } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { rawOrigin } from '../harness/origin.ts';
import { refusedAddress } from '../harness/refused.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { anywhere, echo, endOf, meshed, serviceYaml } from '../harness/tcp.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

test('octets of any kind reach the app and come back, through two sidecars', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(mesh, app.address);
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
  await using pair = await meshed(mesh, app.address);
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
  await using pair = await meshed(mesh, app.address);
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
  await using pair = await meshed(mesh, app.address);
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
  await using pair = await meshed(mesh, app.address);
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
    yaml: serviceYaml('db'),
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
    yaml: `${serviceYaml('db')}---${serviceYaml('nothing')}`,
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
  await caller.apply({ services: { db: [app.address] }, yaml: serviceYaml('db') });
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

test('an endpoint that proves to be another service gets nothing', async () => {
  await using app = await rawOrigin(() => undefined);
  await using pair = await meshed(mesh, app.address, { callee: { credentials: await mesh.live('other') } });
  expect(await endOf(await pair.caller.upstream('db'))).toBe('ECONNRESET');
  expect(app.peers).toEqual([]);
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
    yaml: serviceYaml('db', 'http'),
    upstreams: { db: anywhere },
  });
  await using client = await rawClient(await caller.upstream('db'));
  await client.send('GET / HTTP/1.1\r\nhost: anything.example\r\n\r\n');
  expect(await client.response()).toMatchObject({ status: 200, body: 'anything.example' });
  await client.send('not http at all\r\n\r\n');
  expect((await client.response()).status).toBe(400);
});
