// Unix-domain sockets wherever an address is: at the app, at the caller, and between two sidecars of one machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../../lib/address.ts';
import { rawClient, send } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
const folder = mkdtempSync(join(tmpdir(), 'weft-unix-'));
beforeAll(async () => {
  mesh = await makeIdentities();
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const newPath = (): string => join(folder, `${++count}`);
const newSocket = (): { path: string } => ({ path: newPath() });

/** Two sidecars that are nowhere on the network, with `app` beside one and `db` at a socket of the other. */
async function meshed(app: Address, protocol: string) {
  const yaml = `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 80, protocol: ${protocol} }] }
`;
  const callee = await startTestSidecar({
    name: 'db',
    app,
    yaml,
    mtls: 'strict',
    credentials: await mesh.live('db'),
    inbound: newSocket(),
    outbound: newSocket(),
  });
  const caller = await startTestSidecar({
    name: 'shop',
    credentials: await mesh.live('shop'),
    services: { db: [{ at: callee.inbound, identity: mesh.id('db') }] },
    yaml,
    upstreams: { db: newSocket() },
    inbound: newSocket(),
    outbound: newSocket(),
  });
  return {
    caller,
    callee,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await callee[Symbol.asyncDispose]();
    },
  };
}

test('octets go from socket to socket through two sidecars, and each side ends by itself', async () => {
  const app = newSocket();
  await using origin = await rawOrigin(async ({ octets, socket, write }) => {
    write('220 ready\r\n');
    await octets.until('the end', (_, over) => over || undefined);
    socket.end(octets.text.toUpperCase());
  }, app);
  await using pair = await meshed(origin.address, 'tcp');
  const at = await pair.caller.upstream('db');
  expect(at).toHaveProperty('path');
  await using client = await rawClient(at);
  await client.octets.until('the greeting', (text) => text === '220 ready\r\n' || undefined);
  await client.send('quiet');
  client.half();
  await client.over();
  expect(client.octets.text).toBe('220 ready\r\nQUIET');
  await using large = await rawClient(at);
  await large.send(Buffer.alloc(8 * 1024 * 1024, 'x'));
  large.half();
  await large.over();
  expect(large.octets.text).toBe(`220 ready\r\n${'X'.repeat(8 * 1024 * 1024)}`);
});

test('a connection that is closed before its caller has said all is closed for the caller', async () => {
  await using origin = await rawOrigin(
    ({ octets, socket }) => void octets.until('x', (text) => text || undefined).then(() => socket.destroy()),
    newSocket(),
  );
  await using pair = await meshed(origin.address, 'tcp');
  await using client = await rawClient(await pair.caller.upstream('db'));
  await client.send('x');
  await client.over();
  await until('nothing is left', () => client.octets.closed || client.octets.ended);
  expect(client.octets.text).toBe('');
});

test('requests go from socket to socket, by the name of the service and by a socket of its own', async () => {
  await using origin = await http1Origin((req, res) => void res.end(req.headers.host), newSocket());
  await using pair = await meshed(origin.address, 'http');
  expect((await send(pair.caller.outbound, { host: 'db' })).body).toBe('db');
  expect((await send(await pair.caller.upstream('db'), { host: 'whatever' })).body).toBe('whatever');
});

test('a socket that a killed process left is replaced; one that is in use, and a file, are not', async () => {
  const path = newPath();
  const script = `require('net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
  expect(existsSync(path)).toBe(true);
  {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ outbound: { path }, services: { web: [origin.address] } });
    await expect(startTestSidecar({ outbound: { path } })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect((await sidecar.send()).body).toBe('hello');
  }
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, 'precious');
  await expect(startTestSidecar({ outbound: { path } })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(readFileSync(path, 'utf8')).toBe('precious');
});
