import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { logVerbosity, Server, setLogVerbosity } from '@grpc/grpc-js';
import { formatAddress } from '../lib/address.ts';
import { contentHash } from '../lib/canonical.ts';
import { systemRandom } from '../lib/random.ts';
import { formatSpiffe } from '../lib/spiffe.ts';
import { version } from '../lib/version.ts';
import { loadCatalog, schemasOf } from './admit/catalog.ts';
import { startApi } from './api/api.ts';
import type { Authority } from './ca/authority.ts';
import { openAuthority } from './ca/issuer.ts';
import { openJoinTokens } from './ca/join-tokens.ts';
import type { ControlPlaneConfig } from './config.ts';
import type { ControlPlane } from './control-plane.ts';
import { discoveryServerOptions, discoveryService } from './discovery/server.ts';
import { bindGrpc, stopGrpc } from './grpc.ts';
import { healthService } from './health.ts';
import { type PeerCall, verifiedPeer } from './identity/peer.ts';
import { serverCredentials } from './identity/server-credentials.ts';
import { identityService } from './identity/service.ts';
import type { Kept, Parts } from './kept.ts';
import { Addresses } from './registry/addresses.ts';
import { openJoined } from './registry/joined.ts';
import { mergeSources } from './registry/merge.ts';
import type { SidecarSource, Source } from './registry/registry.ts';
import { sidecarSource } from './registry/sources/sidecar.ts';
import { staticSource } from './registry/sources/static.ts';
import { telemetryService } from './telemetry/ingest.ts';
import { ControlPlaneMetrics } from './telemetry/metrics.ts';
import { inSpan, startTracing } from './telemetry/tracing.ts';

/**
 * Puts it together: each part gets what it needs and knows no other. What is kept is its own from then on. Throws when a
 * part cannot start, with nothing left running.
 */
export async function serve(kept: Kept, config: ControlPlaneConfig, { clock, log }: Parts): Promise<ControlPlane> {
  const { store, sealers } = kept;
  const { vault } = store;
  const { trustDomain } = config;
  const closers: (() => Promise<void> | void)[] = [() => kept.close()];
  const own = <T extends { close(): Promise<void> | void }>(part: T): T => {
    closers.push(() => part.close());
    return part;
  };
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer();
  };

  try {
    const startedMs = clock.now();
    // What gRPC would write to the console by itself comes to us as errors too.
    setLogVerbosity(logVerbosity.NONE);
    if (config.otlp !== undefined) own(await startTracing({ endpoint: config.otlp, version, clock, log }));
    const catalog = await loadCatalog();

    // What there is to know besides the log: the CA, and who is alive.
    const authority = own(await openAuthority({ vault, sealers, trustDomain, clock, log }));
    const tokens = own(await openJoinTokens({ vault, authority, clock, log }));
    const sidecars = sidecarSource();
    const sources = own(
      mergeSources([staticSource(store), sidecars, ...(await catalogSources(config, sidecars, { clock, log }))]),
    );
    const registry = own(await openJoined({ sources, sidecars, vault, clock, log }));

    // What sidecars are served. The server is stopped after discovery has ended its streams, which have no end of their own.
    const credentials = own(await serverCredentials(authority, certificateNames(config), { clock, log }));
    const server = new Server(discoveryServerOptions);
    closers.push(() => stopGrpc(server, clock));
    const identify = (call: PeerCall) => verifiedPeer(call, authority);
    const roots = () => authority.roots();
    const kinds = schemasOf(catalog);
    const metrics = new ControlPlaneMetrics(clock);
    const addresses = own(new Addresses({ vault, clock, random: systemRandom, log }));
    const discovery = own(
      discoveryService({ store, registry, addresses, sidecars, kinds, identify, roots, pushes: metrics, clock, log }),
    );
    const identity = identityService({ authority: watchedSigning(authority, metrics), tokens, clock, log });
    const telemetry = telemetryService({ identify, clock, log });
    const served = [discovery, identity, telemetry];
    const services = ['Discovery', 'Identity', 'Telemetry'].map((name) => `weft.v1.${name}`);
    const health = own(healthService({ services, healthy: () => store.healthy(), clock }));
    for (const { definition, handlers } of [...served, health]) server.addService(definition, handlers);
    const grpc = await bindGrpc(server, config.grpc, credentials.credentials);

    // What people are served.
    const api = own(
      await startApi(
        { address: config.api, names: config.names, token: config.apiToken },
        {
          store,
          catalog,
          registry,
          proxies: { list: discovery.proxies, convergence: discovery.convergence, subscribe: discovery.subscribe },
          edges: telemetry.edges,
          tokens,
          trustDomain,
          ownContext: credentials.context,
          status: () => ({
            grpc: formatAddress(grpc),
            uptimeSeconds: (clock.now() - startedMs) / 1000,
            rootExpires: new Date(authority.rootExpires()).toISOString(),
          }),
          version,
          metrics: () =>
            metrics.text({
              version,
              proxies: discovery.proxies(),
              revision: store.current().revision,
              storeHealthy: store.healthy(),
              rootExpires: authority.rootExpires(),
            }),
          answered: (status) => metrics.answered(status),
          clock,
          log,
          jaegerUi: config.jaegerUi,
        },
      ),
    );
    const { revision } = store.current();
    log.info('control_plane.ready', { api: formatAddress(api.address), grpc: formatAddress(grpc), revision });
    return { grpc, api: api.address, store, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The catalog of Consul where that is the store: what is connected here is registered there, and the others' found. */
async function catalogSources(
  { store, grpc, stateDir, trustDomain }: ControlPlaneConfig,
  own: SidecarSource,
  common: Parts,
): Promise<Source[]> {
  if (store.kind !== 'consul') return [];
  const { consulSource } = await import('./registry/sources/consul.ts');
  // The same after a restart, so that it takes over what it registered before, and another one for each control plane.
  const place = contentHash(`${resolve(stateDir)} ${formatAddress(grpc)}`);
  return [consulSource({ ...store, ...common, own, trustDomain, instance: `${hostname()}-${place}` })];
}

/** Names at which sidecars may ask for this control plane. */
function certificateNames({ grpc, names }: ControlPlaneConfig): string[] {
  const bound = 'host' in grpc && grpc.host !== '0.0.0.0' && grpc.host !== '::' ? [grpc.host] : [];
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname().toLowerCase(), ...bound, ...names])];
}

/** The same authority, with a span for each certificate that a workload gets, and a count of them. */
const watchedSigning = (authority: Authority, metrics: ControlPlaneMetrics): Authority => ({
  trustDomain: authority.trustDomain,
  roots: () => authority.roots(),
  rootExpires: () => authority.rootExpires(),
  issueServer: (names) => authority.issueServer(names),
  verifyPeer: (leaf, chain) => authority.verifyPeer(leaf, chain),
  async sign(csr, identity, options) {
    let result: 'issued' | 'refused' = 'refused';
    try {
      const sign = () => authority.sign(csr, identity, options);
      const issued = await inSpan('ca.sign', { 'weft.identity': formatSpiffe(identity) }, sign);
      result = 'issued';
      return issued;
    } finally {
      metrics.certificate(result);
    }
  },
});
