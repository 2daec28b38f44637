// What is told of connections that carry no requests, and how a drain ends them.
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { formatAddress } from '../../lib/address.ts';
import { rawClient } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { rawOrigin } from '../harness/origin.ts';
import { echo, meshed } from '../harness/tcp.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

test('draining takes no more connections and lets those that are there go on until the time is up', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(mesh, app.address);
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
  await using pair = await meshed(mesh, app.address);
  await using client = await rawClient(await pair.caller.upstream('db'));
  await client.send('a');
  await client.octets.until('the echo', (text) => text === 'a' || undefined);
  const drained = pair.caller.dataPlane.drain(60_000);
  client.half();
  await drained;
});

test('a caller in the middle of its handshake when draining begins is served: it takes itself to be connected', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(mesh, app.address);
  const callee = pair.callee.inbound as { host: string; port: number };
  const early = connect({ ...callee });
  await once(early, 'connect');
  // Accepted in order: when this one is answered, the other one has been taken as well.
  await using other = await rawClient(await pair.caller.upstream('db'));
  await other.send('a');
  await other.octets.until('the echo', (text) => text === 'a' || undefined);
  const drained = pair.callee.dataPlane.drain(60_000);
  const proof = { ...(await mesh.client('shop')), ALPNProtocols: ['weft-tcp'], checkServerIdentity: () => undefined };
  const secure = connectTls({ socket: early, ...proof });
  await once(secure, 'secureConnect');
  secure.write('b');
  const [echoed] = (await once(secure, 'data')) as [Buffer];
  expect(echoed.toString()).toBe('b');
  secure.end();
  other.half();
  await drained;
});

test('a caller that may not connect is closed at once, counted and told, and reaches nothing', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(mesh, app.address, { callee: { tcpAllow: ['default/cart', 'other/shop'] } });
  await using client = await rawClient(await pair.caller.upstream('db'));
  await client.over();
  await until('it is told', () => pair.callee.connections.length === 1 && pair.caller.connections.length === 1);
  expect(pair.callee.connections[0]).toMatchObject({
    code: 'CONNECTION_DENIED',
    detail: 'default/shop is not among those that may connect',
    peer: mesh.id('shop'),
  });
  expect(pair.callee.metrics()).toMatch(/weft_tcp_connections_closed_total\{.*code="CONNECTION_DENIED"\} 1\n/);
  expect(pair.caller.connections[0]!.code).toBe('UPSTREAM_RESET');
  expect(app.peers).toEqual([]);
});

test('a caller that may connect does', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(mesh, app.address, { callee: { tcpAllow: ['default/shop'] } });
  await using client = await rawClient(await pair.caller.upstream('db'));
  await client.send('x');
  await client.octets.until('the echo', (text) => text === 'x' || undefined);
});

test('each connection is counted while it is open, and told when it is over', async () => {
  await using app = await rawOrigin(echo);
  await using pair = await meshed(mesh, app.address);
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
