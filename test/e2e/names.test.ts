// Names on loopback in a mesh of real processes: found, kept while the control plane is away, and for good.

import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress } from '../../lib/address.ts';
import { isServiceAddress } from '../../lib/service-address.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { freePort } from '../harness/free-port.ts';
import { ask } from '../harness/load.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { runWeft } from '../harness/weft.ts';

let dir: string;
let app: Origin;
let grpc: string;
let port: number;
const daemons: Daemon[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-names-'));
  app = await http1Origin('paid');
  grpc = `127.0.0.1:${await freePort()}`;
  port = await freePort();
}, 60_000);
afterAll(async () => {
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  await app[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
}, 30_000);

async function start(program: 'control-plane' | 'sidecar', flags: readonly string[]): Promise<Daemon> {
  const daemon = await startDaemon(program, flags);
  daemons.push(daemon);
  return daemon;
}

const startControlPlane = () => start('control-plane', ['--state', join(dir, 'control-plane'), '--grpc', grpc]);

async function weft(at: Daemon, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runWeft(args, { env: { WEFT_SERVER: at.at.api! }, input });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** `controlPlane`: gives the token of its first start. */
async function startSidecar(service: string, controlPlane: Daemon | undefined, ...more: readonly string[]) {
  const token = join(dir, `${service}.token`);
  if (controlPlane !== undefined)
    writeFileSync(token, await weft(controlPlane, ['token', 'create', service]), { mode: 0o600 });
  const sidecar = await start('sidecar', [
    ...['--service', service, '--app', formatAddress(app.address), '--control-plane', grpc, '--port', String(port)],
    ...['--token-file', token, '--state', join(dir, service), '--drain-delay', '0s', ...more],
  ]);
  await eventually(`${service} is ready`, async () => {
    const { status } = await ask({ at: sidecar.at.admin!, host: sidecar.at.admin!, path: '/ready' });
    return status === 200 || undefined;
  });
  return sidecar;
}

const dns = ['--dns', '127.0.0.1:0', '--dns-forward', 'none'];
const lookupAt = (sidecar: Daemon) => {
  const resolver = new Resolver({ tries: 1, timeout: 10_000 });
  resolver.setServers([sidecar.at.dns!]);
  return (name: string): Promise<string> => resolver.resolve4(name).then(([address = '']) => address);
};
const service = (name: string): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: ${port} }] }
`;
const answerAt = async (address: string): Promise<string> => {
  const { status, body } = await ask({ at: `${address}:${port}`, host: 'payments.mesh', path: '/' });
  return `${status} ${body}`;
};

test('a name leads to its service, with and without a control plane, and to the same address for good', async () => {
  const first = await startControlPlane();
  await weft(first, ['apply', '-'], service('later'));
  await startSidecar('payments', first);
  const shop = await startSidecar('shop', first, ...dns);
  const lookup = lookupAt(shop);
  const address = await lookup('payments.mesh');
  expect(isServiceAddress(address)).toBe(true);
  expect(await answerAt(address)).toBe('200 paid');
  const later = await lookup('later.mesh');
  expect(later).not.toBe(address);
  await expect(lookup('ghost.mesh')).rejects.toMatchObject({ code: 'ENOTFOUND' });

  await weft(first, ['delete', 'service', 'later', '--wait']);
  await eventually('it is gone', () =>
    lookup('later.mesh').then(
      () => undefined,
      ({ code }: { code: string }) => code === 'ENOTFOUND' || undefined,
    ),
  );

  // The last good configuration is written within some seconds; a sidecar that ends in order writes it.
  await first.running.end('SIGKILL');
  expect(await lookup('payments.mesh')).toBe(address);
  expect(await answerAt(address)).toBe('200 paid');
  await shop.running.end('SIGTERM');
  const alone = lookupAt(await startSidecar('shop', undefined, ...dns));
  expect(await alone('payments.mesh')).toBe(address);
  expect(await answerAt(address)).toBe('200 paid');
  await expect(alone('never-asked-for.mesh')).rejects.toMatchObject({ code: 'ESERVFAIL' });

  const second = await startControlPlane();
  await weft(second, ['apply', '-'], service('later'));
  expect(await eventually('it is back', () => alone('later.mesh').catch(() => undefined))).toBe(later);
  expect(await alone('payments.mesh')).toBe(address);
  expect(await answerAt(address)).toBe('200 paid');
}, 120_000);
