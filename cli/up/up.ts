import { setTimeout as sleep } from 'node:timers/promises';
import { applyReplySchema, proxiesReplySchema } from '../../proto/api/api.ts';
import { author } from '../author.ts';
import type { Client } from '../client.ts';
import { exit, Failure, Refused } from '../failure.ts';
import { located } from '../files.ts';
import type { ChildEvents } from './child.ts';
import { type ControlPlaneOptions, startControlPlane } from './control-plane.ts';
import { type Ground, startGround } from './ground.ts';
import { type Sidecar, startInstance, startSidecar } from './instance.ts';
import { type Mesh, readMesh } from './mesh-file.ts';

export interface UpOptions {
  readonly files: readonly string[];
  /** Where everything is kept; a temporary folder, removed at the end, when undefined. */
  readonly state: string | undefined;
  readonly controlPlane: ControlPlaneOptions;
  /** Services whose process runs already, and where it listens: each gets a sidecar. */
  readonly present: readonly { readonly service: string; readonly app: string }[];
  readonly env: NodeJS.ProcessEnv;
  readonly events: ChildEvents;
  readonly onStep: (text: string) => void;
  /** Ends the start before it is done. */
  readonly signal: AbortSignal;
}

export interface Up {
  readonly client: Client;
  /** Of all instances of workloads, and of callers. */
  readonly sidecars: readonly Sidecar[];
  /** Folder with the output of every process. */
  readonly logs: string;
  close(): Promise<void>;
}

/** Runs the mesh of these files as processes of this machine. Throws Failure, with nothing left running. */
export async function startUp(options: UpOptions): Promise<Up> {
  const mesh = await readMesh(options.files);
  const ground = startGround(options.state, options.env, options.events);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new Failure(exit.no, 'ended before everything ran'));
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    // It may have been told to end while the files were read.
    if (options.signal.aborted) abort();
    const started = startAll(ground, mesh, options);
    // Whatever it still does when it has lost the race fails on what is closed then, and is of no more interest.
    started.catch(() => {});
    const { client, sidecars } = await Promise.race([started, aborted]);
    return { client, sidecars, logs: ground.logs, close: ground.close };
  } catch (error) {
    await ground.close();
    throw error;
  }
}

async function startAll(ground: Ground, mesh: Mesh, options: UpOptions): Promise<Pick<Up, 'client' | 'sidecars'>> {
  options.onStep('starting the control plane');
  const controlPlane = await startControlPlane(ground, options.controlPlane);
  const { client } = controlPlane;
  options.onStep('applying the resources');
  await applyMesh(client, mesh, options.files);
  const instances = mesh.workloads.flatMap((workload) =>
    Array.from({ length: workload.instances }, (_, i) => ({
      ...workload,
      name: workload.instances === 1 ? workload.name : `${workload.name}-${i + 1}`,
      port: workload.port === undefined ? undefined : workload.port + i,
    })),
  );
  options.onStep(`starting ${instances.map(({ name }) => name).join(', ')}, each with its sidecar`);
  const sidecars = await Promise.all([
    ...instances.map((instance) => startInstance(ground, controlPlane, instance)),
    ...options.present.map(({ service, app }) =>
      startSidecar(ground, controlPlane, { name: service, service, namespace: 'default', app }),
    ),
  ]);
  await untilReady(client, sidecars);
  return { client, sidecars };
}

async function applyMesh(client: Client, { resources }: Mesh, files: readonly string[]): Promise<void> {
  const body = { resources: resources.map(({ raw }) => raw), message: `weft up ${files.join(' ')}`, author: author() };
  try {
    await client.post('/v1/apply', applyReplySchema, body);
  } catch (error) {
    throw error instanceof Refused ? located(error, resources) : error;
  }
}

const readyWithinMs = 30_000;

async function untilReady(client: Client, sidecars: readonly Sidecar[]): Promise<void> {
  const end = Date.now() + readyWithinMs;
  for (;;) {
    const { proxies } = await client.get('/v1/proxies', proxiesReplySchema);
    const ready = new Set(proxies.filter((proxy) => proxy.connected && proxy.ready).map(({ instance }) => instance));
    const missing = sidecars.filter(({ name }) => !ready.has(name)).map(({ name }) => name);
    if (missing.length === 0) return;
    if (Date.now() > end)
      throw new Failure(exit.no, `not ready after ${readyWithinMs / 1000}s: the sidecar of ${missing.join(', ')}`);
    await sleep(50);
  }
}
