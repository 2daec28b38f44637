// A service of TCP in a mesh of real processes: applied, reached, moved, denied, taken away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress } from '../../lib/address.ts';
import { rawClient } from '../harness/client.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { freePort } from '../harness/free-port.ts';
import { ask } from '../harness/load.ts';
import { type RawOrigin, rawOrigin } from '../harness/origin.ts';
import { runWeft } from '../harness/weft.ts';

let dir: string;
let app: RawOrigin;
let controlPlane: Daemon;
const daemons: Daemon[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-upstream-'));
  app = await rawOrigin(({ socket, write }) => {
    write('220 ready\r\n');
    socket.on('data', (text: string) => write(text.toUpperCase()));
    socket.on('end', () => socket.end());
  });
  controlPlane = await startDaemon('control-plane', ['--state', join(dir, 'control-plane')]);
  daemons.push(controlPlane);
}, 60_000);
afterAll(async () => {
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  await app[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
}, 30_000);

async function weft(args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runWeft(args, { env: { WEFT_SERVER: controlPlane.at.api! }, input });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function startSidecar(service: string, ...flags: readonly string[]): Promise<Daemon> {
  const token = join(dir, `${service}.token`);
  writeFileSync(token, await weft(['token', 'create', service]), { mode: 0o600 });
  const sidecar = await startDaemon('sidecar', [
    ...['--service', service, '--app', formatAddress(app.address), '--control-plane', controlPlane.at.grpc!],
    ...['--token-file', token, '--state', join(dir, service), '--access-log', 'all', ...flags],
  ]);
  daemons.push(sidecar);
  await eventually(`${service} is ready`, async () => {
    const { status } = await ask({ at: sidecar.at.admin!, host: sidecar.at.admin!, path: '/ready' });
    return status === 200 || undefined;
  });
  return sidecar;
}

const mesh = (port: number): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 5432, protocol: tcp }] }
---
apiVersion: weft.dev/v1
kind: Upstream
metadata: { name: db }
spec: { service: db, listen: '127.0.0.1:${port}', for: [shop] }
---
apiVersion: weft.dev/v1
kind: Service
metadata: { name: shop }
spec: {}
`;

const greeted = (port: number): Promise<string> =>
  eventually('the service is reached', async () => {
    const client = await rawClient({ host: '127.0.0.1', port }).catch(() => undefined);
    if (client === undefined) return undefined;
    await using _ = client;
    await client.send('hello').catch(() => undefined);
    return await client.octets
      .until('an answer', (text) => (text.includes('HELLO') ? text : undefined))
      .catch(() => undefined);
  });

test('a database is reached at a local port that a resource gives, and no longer when it is taken away', async () => {
  const [first, second, third] = [await freePort(), await freePort(), await freePort()];
  await weft(['apply', '-'], mesh(first));
  const db = await startSidecar('db', '--tcp-allow', 'shop');
  const shop = await startSidecar('shop');
  expect(await greeted(first)).toBe('220 ready\r\nHELLO');
  const line = await db.running.line((text) => (text.includes('"protocol":"TCP"') ? JSON.parse(text) : undefined));
  expect(line).toMatchObject({ direction: 'inbound', peer: 'default/shop', requestBytes: 5, responseBytes: 16 });

  await weft(['apply', '-', '--wait'], mesh(second));
  expect(await greeted(second)).toBe('220 ready\r\nHELLO');
  await expect(rawClient({ host: '127.0.0.1', port: first })).rejects.toThrow('ECONNREFUSED');
  const { body } = await ask({ at: shop.at.admin!, host: shop.at.admin!, path: '/config' });
  expect(JSON.parse(body).upstreams).toMatchObject([
    { service: 'default/db', listen: `127.0.0.1:${second}`, from: 'Upstream default/db', problem: '' },
  ]);

  // A caller that the service does not let in.
  await startSidecar('cart', '--upstream', `db=127.0.0.1:${third}`);
  const denied = await rawClient({ host: '127.0.0.1', port: third });
  await denied.over();
  await denied[Symbol.asyncDispose]();
  expect(denied.octets.text).toBe('');
  await db.running.line((text) => (text.includes('"code":"CONNECTION_DENIED"') ? true : undefined));

  await weft(['delete', 'upstream', 'db', '--wait']);
  await eventually('it is gone', () =>
    rawClient({ host: '127.0.0.1', port: second }).then(
      async (client) => void (await client[Symbol.asyncDispose]()),
      () => true,
    ),
  );
}, 120_000);
