import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { ChannelCredentials, type ClientDuplexStream, logVerbosity, setLogVerbosity, status } from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { formatAddress } from '../lib/address.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { toPem } from '../lib/svid.ts';
import type { FromControlPlane__Output } from '../proto/gen/weft/v1/FromControlPlane.ts';
import type { FromSidecar } from '../proto/gen/weft/v1/FromSidecar.ts';
import type { IdentityReply__Output } from '../proto/gen/weft/v1/IdentityReply.ts';
import { healthProto, weftProto } from '../proto/load.ts';
import { startConsul } from '../test/harness/consul.ts';
import { findTool } from '../test/harness/tools.ts';
import { retries, service } from './admit/examples.ts';
import { type Answer, ask } from './api/test-api.ts';
import { readControlPlaneConfig } from './config.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

let dir: string;
const running: ControlPlane[] = [];
beforeAll(() => setLogVerbosity(logVerbosity.NONE));
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-control-plane-'));
});
afterEach(async () => {
  for (const each of running.splice(0)) await each.close();
  await rm(dir, { recursive: true, force: true });
});

/** A control plane as its flags say, on free ports, in a folder of its own. */
async function start(...flags: string[]): Promise<ControlPlane> {
  const config = await readControlPlaneConfig(['--api', ':0', '--grpc', ':0', '--state', dir, ...flags], {});
  if (config === 'help') throw new Error('help was asked for');
  const started = await startControlPlane(config, { clock: systemClock, log: silentLog });
  running.push(started);
  return started;
}

const portOf = ({ api }: ControlPlane): number => ('port' in api ? api.port : 0);
const get = async (at: ControlPlane, path: string) => good(await ask(portOf(at), 'GET', path));
const post = async (at: ControlPlane, path: string, body: unknown) => good(await ask(portOf(at), 'POST', path, body));
function good({ status, text, body }: Answer): Answer['body'] {
  expect(status === 200 ? '' : text).toBe('');
  return body;
}

/** Does what a sidecar of this service does first: a key, a certificate for the token, a stream. */
async function connectSidecar(at: ControlPlane, name: string) {
  const { token } = (await post(at, '/v1/tokens', { service: name })) as { token: string };
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  const address = `localhost:${'port' in at.grpc ? at.grpc.port : 0}`;
  // That the control plane is who the token says is for the sidecar's own tests.
  const blind = ChannelCredentials.createFromSecureContext(createSecureContext(), { rejectUnauthorized: false });
  const identity = new (weftProto().Identity)(address, blind);
  const joined = await new Promise<IdentityReply__Output>((resolve, reject) =>
    identity.Join({ token, csr: Buffer.from(csr.rawData) }, (error, reply) =>
      error ? reject(error) : resolve(reply!),
    ),
  );
  identity.close();
  const context = createSecureContext({ ca: toPem(joined.roots), cert: toPem(joined.chain), key });
  const client = new (weftProto().Discovery)(address, ChannelCredentials.createFromSecureContext(context));
  const stream: ClientDuplexStream<FromSidecar, FromControlPlane__Output> = client.Stream();
  const own = { namespace: 'default', name };
  const inbound = { inboundAddress: '127.0.0.1', inboundPort: 15006 };
  stream.write({ hello: { service: own, instance: `${name}-1`, ready: true, weight: 1, ...inbound } });
  const ended = new Promise<void>((resolve) => stream.on('error', () => resolve()).on('end', () => resolve()));
  return {
    spiffeId: joined.spiffeId,
    ended,
    /** The next push, acknowledged. */
    push: async () => {
      const { push } = await new Promise<FromControlPlane__Output>((resolve) => stream.once('data', resolve));
      stream.write({ ack: { nonce: push!.nonce } });
      return push!;
    },
    close: () => {
      stream.cancel();
      client.close();
    },
  };
}

test('a change goes from the API through the log to a sidecar, is diffed and rolled back', async () => {
  const at = await start();
  await post(at, '/v1/apply', { resources: [service('web')], message: 'begin', author: 'ann' });
  const sidecar = await connectSidecar(at, 'web');
  expect(sidecar.spiffeId).toBe('spiffe://mesh.local/ns/default/sa/web');
  expect((await sidecar.push()).revision).toBe(1);
  // Its address is worked out when it is asked for first.
  expect((await sidecar.push()).endpoints).toMatchObject([{ localAddress: expect.stringMatching(/^127\./) }]);

  const pushed = sidecar.push();
  const applied = await post(at, '/v1/apply', { resources: [retries('calm', 'web', { retries: 4 })], author: 'ben' });
  expect(applied).toMatchObject({ revision: 2, changes: [{ op: 'create' }] });
  const { revision, resources } = await pushed;
  expect(revision).toBe(2);
  expect(resources.map(({ key, spec }) => [key?.kind, JSON.parse(String(spec)).retries])).toEqual([['RetryPolicy', 4]]);

  const convergence = async () => (await get(at, '/v1/convergence?revision=2')) as { converged: boolean };
  for (let tries = 0; !(await convergence()).converged; tries++) expect(tries).toBeLessThan(100);
  expect(await get(at, '/v1/proxies')).toMatchObject({
    proxies: [{ service: 'web', instance: 'web-1', connected: true, revision: 2, state: 'synced' }],
  });
  expect(await get(at, '/v1/services')).toMatchObject({
    services: [{ name: 'web', endpoints: [{ port: 15006, source: 'sidecar', identity: sidecar.spiffeId }] }],
  });

  expect(await get(at, '/v1/revisions')).toMatchObject({ revisions: [{ author: 'ann' }, { author: 'ben' }] });
  expect(await get(at, '/v1/diff?from=1&to=2')).toMatchObject({ changes: [{ op: 'create', key: { name: 'calm' } }] });
  const undone = sidecar.push();
  await post(at, '/v1/rollback', { to: 1, author: 'ann' });
  expect((await undone).removed).toMatchObject([{ kind: 'RetryPolicy', name: 'calm' }]);
  expect(await get(at, '/v1/diff?from=1&to=3')).toMatchObject({ changes: [] });
  expect(await get(at, '/v1/status')).toMatchObject({
    revision: 3,
    store: 'embedded',
    storeHealthy: true,
    sidecars: 1,
  });
  sidecar.close();
});

test('who has no certificate may ask whether it is well, and nothing else', async () => {
  const at = await start();
  const address = `localhost:${'port' in at.grpc ? at.grpc.port : 0}`;
  const blind = ChannelCredentials.createFromSecureContext(createSecureContext(), { rejectUnauthorized: false });
  const health = new (healthProto().Health)(address, blind);
  const discovery = new (weftProto().Discovery)(address, blind);
  const answer = await new Promise((resolve) => {
    health.Check({ service: 'weft.v1.Discovery' }, (error, reply) => resolve(error ?? reply));
  });
  expect(answer).toEqual({ status: 'SERVING' });
  const stream = discovery.Stream();
  const refusal = await new Promise((resolve) => stream.on('error', resolve));
  expect(refusal).toMatchObject({ code: status.UNAUTHENTICATED });
  health.close();
  discovery.close();
});

test('everything is there again after a restart, the CA included', async () => {
  const first = await start();
  await post(first, '/v1/apply', { resources: [service('web')] });
  const { rootExpires } = await get(first, '/v1/status');
  await running.pop()!.close();
  const second = await start();
  expect(await get(second, '/v1/status')).toMatchObject({ revision: 1, rootExpires });
  expect((await connectSidecar(second, 'web')).spiffeId).toMatch(/web$/);
});

test('closing ends the streams of sidecars and leaves nothing open', async () => {
  const before = resources();
  const at = await start();
  const sidecar = await connectSidecar(at, 'web');
  await sidecar.push();
  const watch = await fetch(`http://127.0.0.1:${portOf(at)}/v1/watch`);
  await running.pop()!.close();
  await sidecar.ended;
  sidecar.close();
  expect(await watch.text()).toMatch(/^event: hello/);
  await expect(ask(portOf(at), 'GET', '/healthz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(resources()).toEqual(before);
});

/** Servers that listen in this process. */
const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => /ServerWrap|PipeWrap/.test(name));

describe('a second control plane', () => {
  test('on the same state is refused in one line, and the first goes on', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(/^[^\n]*another/);
    expect(await get(first, '/healthz')).toEqual({ status: 'alive' });
  });

  test.each(['api', 'grpc'] as const)(
    'on the same %s port is refused in one line, with nothing left open',
    async (port) => {
      const first = await start();
      const other = join(dir, 'other');
      const flags = ['--state', other, `--${port}`, formatAddress(first[port])];
      await expect(start(...flags)).rejects.toThrow(/^127\.0\.0\.1:\d+ is taken: is another control plane running/);
      // Its state was let go.
      expect((await start('--state', other)).store.current().revision).toBe(0);
    },
  );
});

test('it listens on unix-domain sockets, also where a killed one has left them', async () => {
  const path = join(dir, 'api.sock');
  const { createServer } = await import('node:net');
  const left = createServer().listen(path);
  await new Promise((resolve) => left.once('listening', resolve));
  await expect(start('--api', path)).rejects.toThrow(/is taken/);
  left.close();
  const at = await start('--api', `unix:${path}`, '--grpc', `unix:${join(dir, 'grpc.sock')}`);
  expect(at.api).toEqual({ path });
});

const consul = findTool('consul');
(consul === undefined ? test.skip : test)('two control planes on one Consul are one mesh', async () => {
  const agent = await startConsul(consul!);
  try {
    const keyFile = ['--ca-key-file', join(dir, 'one', 'ca.key')];
    const on = ['--store', 'consul', '--consul-address', agent.address];
    const one = await start('--state', join(dir, 'one'), ...on);
    const two = await start('--state', join(dir, 'two'), ...on, ...keyFile);
    const names = Array.from({ length: 10 }, (_, i) => `s${i}`);
    await Promise.all(names.map((name, i) => post(i % 2 ? one : two, '/v1/apply', { resources: [service(name)] })));
    const seen = await Promise.all([one, two].map((at) => reached(at, names.length)));
    expect(seen).toEqual([names.length, names.length]);
    expect(await get(two, '/v1/status')).toMatchObject({ store: 'consul', revision: 10 });

    // A service whose sidecar is connected to the one is known to the other.
    const known = new Promise<void>((resolve) => {
      const look = async (): Promise<void> => {
        const { services } = (await get(two, '/v1/services')) as { services: { name: string; endpoints: unknown[] }[] };
        if (services.some(({ name, endpoints }) => name === 'web' && endpoints.length === 1)) resolve();
        else systemClock.after(50, () => void look());
      };
      void look();
    });
    const sidecar = await connectSidecar(one, 'web');
    await known;
    sidecar.close();
  } finally {
    for (const each of running.splice(0)) await each.close();
    await agent.close();
  }
});

/** Resolves when this control plane has come to a revision. */
const reached = (at: ControlPlane, revision: number): Promise<number> =>
  new Promise((resolve) => {
    const end = at.store.subscribe((state) => {
      if (state.revision < revision) return;
      end();
      resolve(state.revision);
    });
    if (at.store.current().revision < revision) return;
    end();
    resolve(at.store.current().revision);
  });
