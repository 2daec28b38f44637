/** The config stream as it runs: certificates of the CA at both ends, and an identity that comes from nothing else. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { verifiedPeer } from '../../control-plane/identity/peer.ts';
import { serverCredentials } from '../../control-plane/identity/server-credentials.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import { type DiscoveryOptions, startDiscovery } from '../../sidecar/snapshot/discovery.ts';
import { controlPlaneChannel } from '../../sidecar/tls/control-plane.ts';
import { startIdentity } from '../../sidecar/tls/identity.ts';
import { startDiscoveryServer } from '../harness/discovery-server.ts';
import { startIdentityServer } from '../harness/identity-server.ts';
import { until } from '../harness/until.ts';

test('a sidecar is who its certificate says, and nobody else', async () => {
  const clock = systemClock;
  const log = silentLog;
  const ca = await startIdentityServer({ clock });
  const stateDir = await mkdtemp(join(tmpdir(), 'weft-mtls-'));
  const own = await serverCredentials(ca.authority, ['localhost', '127.0.0.1'], { clock, log });
  const mesh = await startDiscoveryServer({
    serverCredentials: own.credentials,
    identify: (call) => verifiedPeer(call, ca.authority),
    roots: () => ca.authority.roots(),
  });
  const web = { trustDomain: 'weft.test', namespace: 'default', service: 'web' };
  const { token } = await ca.tokens.create(web, 60_000);
  const shared = { clock, random: systemRandom, log };
  const identity = startIdentity({ controlPlanes: [ca.address], token, stateDir, ...shared });
  await identity.ready;

  const reasons: string[] = [];
  const noting = { ...log, warn: (_event: string, fields?: object) => void reasons.push(JSON.stringify(fields)) };
  const secure = () => {
    const live = identity.live.current;
    return live && controlPlaneChannel({ host: '127.0.0.1', port: mesh.port }, live);
  };
  const start = (service: string, channel: DiscoveryOptions['channel']) =>
    startDiscovery({
      channel,
      hello: {
        namespace: 'default',
        service,
        instance: `${service}-1`,
        inbound: { address: '10.1.1.1', port: 15006 },
        admin: '',
        version: '0.1.0',
      },
      accept: async () => [],
      subscriptions: [],
      onRoots: (roots) => identity.updateRoots(roots),
      ...shared,
      log: noting,
    });

  const good = start('web', secure);
  good.setReady(true);
  await good.synced;
  await until('it is an endpoint', () => mesh.registry.endpoints('default/web').length === 1);
  expect(mesh.registry.endpoints('default/web')[0]?.identity).toBe('spiffe://weft.test/ns/default/sa/web');

  const liar = start('cart', secure);
  await until('the liar is refused', () => reasons.some((reason) => /PERMISSION_DENIED/.test(reason)));
  const plain = start('web', () => ({ target: `127.0.0.1:${mesh.port}`, credentials: credentials.createInsecure() }));
  await until('plain text is refused', () => reasons.some((reason) => /UNAVAILABLE/.test(reason)));
  const trust = identity.live.current?.rootsPem ?? '';
  const nameless = start('web', () => ({
    target: `127.0.0.1:${mesh.port}`,
    credentials: credentials.createSsl(Buffer.from(trust)),
    options: { 'grpc.ssl_target_name_override': 'localhost' },
  }));
  await until('nobody is refused', () => reasons.some((reason) => /UNAUTHENTICATED/.test(reason)));
  expect(mesh.service.proxies().map(({ instance }) => instance)).toEqual(['web-1']);

  await Promise.all([good, liar, plain, nameless].map((each) => each.close()));
  await mesh.close();
  await own.close();
  await identity.close();
  await ca.close();
  await rm(stateDir, { recursive: true });
});
