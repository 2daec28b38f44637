import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Server } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../lib/address.ts';
import { contentHash } from '../lib/canonical.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { formatSpiffe } from '../lib/spiffe.ts';
import { version } from '../lib/version.ts';
import { loadCatalog, schemasOf } from './admit/catalog.ts';
import { startApi } from './api/api.ts';
import type { Authority } from './ca/authority.ts';
import { openAuthority } from './ca/issuer.ts';
import { openJoinTokens } from './ca/join-tokens.ts';
import { loadSecret } from './ca/secret.ts';
import type { ControlPlaneConfig } from './config.ts';
import { discoveryServerOptions, discoveryService } from './discovery/server.ts';
import { bindGrpc, stopGrpc } from './grpc.ts';
import { healthService } from './health.ts';
import { type PeerCall, verifiedPeer } from './identity/peer.ts';
import { serverCredentials } from './identity/server-credentials.ts';
import { identityService } from './identity/service.ts';
import { Addresses } from './registry/addresses.ts';
import { openJoined } from './registry/joined.ts';
import { mergeSources } from './registry/merge.ts';
import type { SidecarSource, Source } from './registry/registry.ts';
import { consulSource } from './registry/sources/consul.ts';
import { sidecarSource } from './registry/sources/sidecar.ts';
import { staticSource } from './registry/sources/static.ts';
import { openConsulStore } from './store/consul.ts';
import { openEmbeddedStore } from './store/embedded.ts';
import type { Store } from './store/store.ts';
import { telemetryService } from './telemetry/ingest.ts';
import { ControlPlaneMetrics } from './telemetry/metrics.ts';
import { inSpan, startTracing } from './telemetry/tracing.ts';
import { untilStore } from './until-store.ts';

export interface ControlPlane {
  /** Where sidecars connect; ports of 0 are replaced by those that were chosen. */
  readonly grpc: Address;
  /** Where people, the CLI and programs ask. */
  readonly api: Address;
  readonly store: Store;
  /** Stops taking requests, ends the streams, then closes what they used. */
  close(): Promise<void>;
}

/**
 * Starts a control plane. Resolves when sidecars and people are served, which is not before the store has been read: Consul
 * is waited for, until `signal` is given. Throws when a part cannot start, with nothing left running.
 */
export function startControlPlane(
  config: ControlPlaneConfig,
  { signal = new AbortController().signal, ...parts }: Parts & { readonly signal?: AbortSignal },
): Promise<ControlPlane> {
  const start = () => assemble(config, parts);
  return config.store.kind === 'consul' ? untilStore(start, { ...parts, signal }) : start();
}

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
}

/** Puts it together: each part gets what it needs and knows no other. */
async function assemble(config: ControlPlaneConfig, { clock, log }: Parts): Promise<ControlPlane> {
  const closers: (() => Promise<void> | void)[] = [];
  const own = <T extends { close(): Promise<void> | void }>(part: T): T => {
    closers.push(() => part.close());
    return part;
  };
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer();
  };

  try {
    const startedMs = clock.now();
    if (config.otlp !== undefined) own(await startTracing({ endpoint: config.otlp, version, clock, log }));
    const catalog = await loadCatalog();

    // What there is to know: the log, the CA beside it, and who is alive.
    const store = own(await openStore(config, { clock, log }));
    const { vault } = store;
    const { stateDir, caKeyFile, trustDomain } = config;
    const secret = await loadSecret({ stateDir, ...(caKeyFile === undefined ? {} : { file: caKeyFile }) });
    const authority = own(await openAuthority({ vault, secret, trustDomain, clock, log }));
    const tokens = own(await openJoinTokens({ vault, authority, clock, log }));
    const sidecars = sidecarSource();
    const sources = own(
      mergeSources([staticSource(store), sidecars, ...catalogSources(config, sidecars, { clock, log })]),
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

function openStore(config: ControlPlaneConfig, common: Parts): Promise<Store> {
  const { store, stateDir } = config;
  return store.kind === 'consul'
    ? openConsulStore({ ...store, ...common })
    : openEmbeddedStore({ dir: stateDir, ...common });
}

/** The catalog of Consul where that is the store: what is connected here is registered there, and the others' found. */
function catalogSources(
  { store, grpc, stateDir, trustDomain }: ControlPlaneConfig,
  own: SidecarSource,
  common: Parts,
): Source[] {
  if (store.kind !== 'consul') return [];
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
