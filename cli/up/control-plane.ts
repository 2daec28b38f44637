import { type Address, formatAddress } from '../../lib/address.ts';
import { statusSchema } from '../../proto/api/api.ts';
import { Client } from '../client.ts';
import { exit, Failure } from '../failure.ts';
import { startChild } from './child.ts';
import type { Ground } from './ground.ts';
import { listeningLine } from './listening.ts';
import { freePort, isFree } from './ports.ts';

export interface ControlPlane {
  readonly client: Client;
  /** host:port for sidecars. */
  readonly grpc: string;
}

/** Ports that people expect, unless somebody else has them: then free ones. */
const usual = { api: 7080, grpc: 7443 } as const;
/** Other ports are tried so often. */
const maxRaces = 3;

export interface ControlPlaneOptions {
  /** Where the control plane keeps the mesh; undefined: its default. */
  readonly store: string | undefined;
  readonly consulAddress: string | undefined;
  /** Addresses to listen at; undefined: the usual ones, or free ones where those are taken. */
  readonly api: Address | undefined;
  readonly grpc: Address | undefined;
}

/** Chosen here and not by the control plane, so that it comes back at the same place. */
async function place(wanted: Address | undefined, usualPort: number): Promise<string> {
  const at = wanted ?? { host: '127.0.0.1', port: (await isFree(usualPort)) ? usualPort : 0 };
  if ('path' in at) throw new Failure(exit.usage, `${formatAddress(at)}: must be host:port here`);
  return formatAddress(at.port === 0 ? { ...at, port: await freePort() } : at);
}

/** Another mesh that starts at the same moment may take a port that was free when we looked. */
async function lostRace(wanted: Address | undefined, chosen: string): Promise<boolean> {
  const ours = wanted === undefined || ('port' in wanted && wanted.port === 0);
  return ours && !(await isFree(Number(chosen.slice(chosen.lastIndexOf(':') + 1))));
}

/** Flags that say where the control plane keeps things. */
function stateFlags(ground: Ground, store: string | undefined): readonly string[] {
  // Consul outlives us, and with it the CA: without a folder of the user's the key stays where the control plane keeps it.
  if (store === 'consul' && ground.temporary) return [];
  return ['--state', ground.folder('control-plane')];
}

/** Starts the control plane and waits until it answers. Restarts keep its addresses, so that sidecars find it again. */
export async function startControlPlane(ground: Ground, options: ControlPlaneOptions): Promise<ControlPlane> {
  for (let left = maxRaces; ; left--) {
    const api = await place(options.api, usual.api);
    const grpc = await place(options.grpc, usual.grpc);
    try {
      return await startAt(ground, options, api, grpc);
    } catch (error) {
      const lost = (await lostRace(options.api, api)) || (await lostRace(options.grpc, grpc));
      if (left === 0 || !lost) throw error;
    }
  }
}

async function startAt(ground: Ground, options: ControlPlaneOptions, api: string, grpc: string): Promise<ControlPlane> {
  const listening = listeningLine();
  const child = startChild(
    {
      name: 'control-plane',
      command: () => [
        ground.weft,
        'control-plane',
        '--api',
        api,
        '--grpc',
        grpc,
        ...stateFlags(ground, options.store),
        ...(options.store === undefined ? [] : ['--store', options.store]),
        ...(options.consulAddress === undefined ? [] : ['--consul-address', options.consulAddress]),
      ],
      env: ground.env,
      logFile: ground.logFile('control-plane'),
      onLine: listening.onLine,
    },
    ground.guardian,
    ground.events('control-plane', listening),
  );
  ground.own(child, 'last');
  try {
    await listening.first;
  } catch (error) {
    await child.stop(0);
    throw error;
  }
  const client = new Client(`http://${api}`, undefined);
  const { storeHealthy, store } = await client.get('/v1/status', statusSchema);
  if (!storeHealthy)
    throw new Failure(exit.no, `the store ${store} is not healthy: ${ground.logFile('control-plane')} says why`);
  return { client, grpc };
}
