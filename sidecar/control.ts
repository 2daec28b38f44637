import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { type Address, formatAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { makeFolder } from '../lib/folder.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { fileProblem } from '../lib/system-error.ts';
import { version } from '../lib/version.ts';
import type { SidecarConfig } from './config.ts';
import type { DataPlane } from './data-plane.ts';
import { type Discovery, type DiscoveryStatus, startDiscovery } from './snapshot/discovery.ts';
import { type Disk, openDisk } from './snapshot/disk.ts';
import type { Accept } from './snapshot/inputs.ts';
import type { EdgeWindow } from './telemetry/edge-stats.ts';
import { startReports } from './telemetry/report.ts';
import { controlPlaneChannel } from './tls/control-plane.ts';
import { ControlPlanes } from './tls/control-planes.ts';
import { type RunningIdentity, startIdentity } from './tls/identity.ts';

type Source = Extract<SidecarConfig['source'], { from: 'control-plane' }>;

interface Parts {
  readonly config: SidecarConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Gets and keeps the certificate; begun before the listeners, so that they have something to prove. */
export async function startControlIdentity(
  source: Source,
  { config, clock, random, log }: Parts,
): Promise<RunningIdentity> {
  try {
    makeFolder(source.state);
    await chmod(source.state, 0o700);
  } catch (thrown) {
    throw new Error(`cannot use the state folder ${source.state} (--state): ${fileProblem(thrown)}`);
  }
  const { service, namespace } = config;
  return startIdentity({
    controlPlanes: source.addresses,
    ...(source.token === undefined ? {} : { token: source.token }),
    ...(source.tokenFile === undefined ? {} : { tokenFile: source.tokenFile }),
    stateDir: source.state,
    expect: { namespace, service },
    clock,
    random,
    log,
  });
}

export interface Control {
  subscribe(service: string): Promise<void>;
  setReady(ready: boolean, reason: string): void;
  status(): DiscoveryStatus;
  close(): Promise<void>;
}

/**
 * What a sidecar has with its control plane once it can prove who it is: configuration in, state and counts out.
 * Resolves when the stream is being opened; not when it is there, since traffic never waits for the control plane.
 */
export async function startControl(
  source: Source,
  identity: RunningIdentity,
  dataPlane: DataPlane,
  takeEdges: () => readonly EdgeWindow[],
  parts: Parts & { readonly admin: string },
): Promise<Control> {
  const { config, clock, random, log } = parts;
  const credentials = identity.live.current;
  if (credentials === undefined) throw new Error('discovery needs a certificate');
  const controlPlanes = new ControlPlanes(source.addresses);
  const channelTo = (address: Address) => controlPlaneChannel(address, identity.live.current ?? credentials);
  const disk = openDisk({ file: join(source.state, 'last-good.json'), owner: credentials.spiffeId, clock, log });
  const { inbound } = dataPlane;
  const discovery = startDiscovery({
    channel: () => channelTo(controlPlanes.next()),
    hello: {
      namespace: config.namespace,
      service: config.service,
      instance: config.instance,
      inbound:
        'path' in inbound.address
          ? { address: formatAddress(inbound.address), port: 0 }
          : { address: inbound.address.host, port: inbound.address.port },
      admin: parts.admin,
      version,
      locality: config.locality,
      weight: config.weight,
      declared: declaredBy(config),
    },
    accept: accepted(dataPlane, config.calls, log),
    disk,
    subscriptions: config.calls,
    clock,
    random,
    log,
    onRoots: (roots) => identity.updateRoots(roots),
  });
  const reports = startReports({
    channel: () => channelTo(controlPlanes.current),
    take: takeEdges,
    clock,
    log,
    random,
  });
  return { ...bound(discovery), close: () => closeAll(discovery, reports, disk) };
}

/** What the first octets are to tell is not said beforehand. */
const declaredBy = ({ port, appProtocol }: SidecarConfig) => ({
  port,
  protocol: appProtocol === 'auto' || appProtocol === 'detect' ? '' : appProtocol,
});

/** The data plane's word on inputs, with a line in the log for either outcome. */
function accepted(dataPlane: DataPlane, calls: readonly string[], log: Log): Accept {
  let missing: ReadonlySet<string> = new Set();
  return async (inputs) => {
    const issues = await dataPlane.accept(inputs);
    if (issues.length > 0) {
      log.warn('snapshot.refused', {
        revision: inputs.revision,
        problems: issues.map(({ path, message }) => `${path}: ${message}`),
      });
      return issues;
    }
    log.debug('snapshot.in-force', { revision: inputs.revision });
    // Others are told of with each request for them, in the access log.
    const now = calls.filter((service) => inputs.absent.has(service));
    const advice = 'is the name right (weft services)? It is there as soon as it joins or has a resource';
    for (const service of now) if (!missing.has(service)) log.warn('discovery.no-such-service', { service, advice });
    missing = new Set(now);
    return issues;
  };
}

const bound = (discovery: Discovery): Omit<Control, 'close'> => ({
  subscribe: (service) => discovery.subscribe(service),
  setReady: (ready, reason) => discovery.setReady(ready, reason),
  status: () => discovery.status(),
});

async function closeAll(discovery: Discovery, reports: { close(): Promise<void> }, disk: Disk): Promise<void> {
  await Promise.all([discovery.close(), reports.close()]);
  await disk.close();
}
