import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import {
  type DiscoveryOptions,
  discoveryServerOptions,
  discoveryService,
} from '../../control-plane/discovery/server.ts';
import { Addresses } from '../../control-plane/registry/addresses.ts';
import { openEmbeddedStore } from '../../control-plane/store/embedded.ts';
import type { Mutation } from '../../control-plane/store/store.ts';
import { ControlPlaneMetrics } from '../../control-plane/telemetry/metrics.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { keyOf, type Resource } from '../../policies/resource.ts';
import { testKinds, testRegistry } from './discovery-fixtures.ts';

export type DiscoveryServer = Awaited<ReturnType<typeof startDiscoveryServer>>;

/**
 * Discovery with a real store and a real gRPC server, without TLS: who is calling is what the client gives as authority.
 * `dir` and `port` of an earlier one make a restart. `allotting`: services get addresses on loopback.
 */
export async function startDiscoveryServer(
  options: Partial<DiscoveryOptions> & {
    dir?: string;
    port?: number;
    serverCredentials?: ServerCredentials;
    allotting?: boolean;
  } = {},
) {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'weft-discovery-')));
  const { clock = systemClock, log = silentLog } = options;
  const store = await openEmbeddedStore({ dir, clock, log });
  const registry = testRegistry();
  const addresses = new Addresses({ vault: store.vault, clock, random: seededRandom(1), log });
  const service = discoveryService({
    store,
    registry,
    addresses: options.allotting ? addresses : { of: () => '', subscribe: () => () => undefined },
    sidecars: registry,
    kinds: testKinds,
    identify: (call) => ({ trustDomain: 'weft.test', namespace: 'default', service: call.getHost() }),
    roots: () => [Buffer.from('a root')],
    clock,
    log,
    pushes: new ControlPlaneMetrics(clock),
    settleMs: 0,
    ...options,
  });
  const server = new Server(discoveryServerOptions);
  server.addService(service.definition, service.handlers);
  const port = await new Promise<number>((resolve, reject) => {
    const own = options.serverCredentials ?? ServerCredentials.createInsecure();
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, own, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const append = async (mutations: Mutation[]) => {
    const { revision } = await store.append(store.current().revision, { author: 'test', message: '', mutations });
    return revision;
  };
  return {
    dir,
    port,
    store,
    registry,
    service,
    /** How a client calls it as a service of namespace default. */
    channel: (name: string) => ({
      target: `127.0.0.1:${port}`,
      credentials: credentials.createInsecure(),
      options: { 'grpc.default_authority': name },
    }),
    apply: (...resources: Resource[]) => append(resources.map((resource) => ({ op: 'put', resource }))),
    remove: (...resources: Resource[]) => append(resources.map((resource) => ({ op: 'delete', key: keyOf(resource) }))),
    /** Ends it and leaves its folder, for a restart. */
    async stop() {
      service.close();
      server.forceShutdown();
      await addresses.close();
      await store.close();
    },
    async close() {
      await this.stop();
      await rm(dir, { recursive: true });
    },
  };
}
