import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../harness/sources.ts';

/** Not the project that somebody may have running under its own name: what this one leaves behind is deleted. */
const project = 'weft-e2e';
/** Of those that `cutOff` has cut off. */
export const islandNetwork = `${project}-island`;
export const baseImage = 'node:26-bookworm-slim';

const overlays = { base: [], ha: ['-f', 'docker-compose.yml', '-f', 'deploy/compose/ha.yml'] } as const;
export type Form = keyof typeof overlays;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line as a person would, in the root of the project. */
export async function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, COMPOSE_PROJECT_NAME: project, COMPOSE_PROGRESS: 'plain', BUILDKIT_PROGRESS: 'plain' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  // Who has ended without reading its input says why by its exit code.
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') child.emit('error', error);
  });
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 1, stdout, stderr };
}

/** The standard output; throws, with what was printed, unless the exit code is 0. */
export async function must(command: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, input);
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${(stderr + stdout).slice(-4000)}`);
  return stdout;
}

export const docker = (...args: readonly string[]): Promise<string> => must('docker', args);
export const compose = (form: Form, ...args: readonly string[]): Promise<string> =>
  must('docker', ['compose', ...overlays[form], ...args]);

/** Runs the CLI in the container of a control plane. */
export const weft = (form: Form, service: string, args: readonly string[], input = ''): Promise<Ran> =>
  run('docker', ['compose', ...overlays[form], 'exec', '-T', service, 'weft', ...args], input);

/** A container of the project, as it is now. */
export interface Container {
  readonly service: string;
  readonly name: string;
  readonly id: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly running: boolean;
  readonly exitCode: number;
  /** '' where nothing checks. */
  readonly health: string;
}

interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Config: { readonly Labels: Readonly<Record<string, string>> };
  readonly State: {
    readonly Pid: number;
    readonly StartedAt: string;
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly Health?: { readonly Status: string };
  };
}

export async function containers(): Promise<readonly Container[]> {
  const ids = (await docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${project}`)).split(/\s+/);
  const found = ids.filter((id) => id !== '');
  if (found.length === 0) return [];
  const inspected = JSON.parse(await docker('inspect', ...found)) as readonly Inspected[];
  return inspected.map(({ Id, Name, Config, State }) => ({
    service: Config.Labels['com.docker.compose.service'] ?? '',
    name: Name.slice(1),
    id: Id,
    pid: State.Pid,
    startedAt: State.StartedAt,
    running: State.Running,
    exitCode: State.ExitCode,
    health: State.Health?.Status ?? '',
  }));
}

/** Those that only prepare the others. */
const once_ = new Set(['secrets', 'join']);
export const lasting = async (): Promise<readonly Container[]> =>
  (await containers()).filter(({ service }) => !once_.has(service));

const isWell = ({ running, health }: Container): boolean => running && (health === '' || health === 'healthy');

/** Resolves when every container is well, and none of `before` is what it was then. */
export async function settled(before: readonly Container[] = [], patienceMs = 90_000): Promise<void> {
  const began = new Map(before.map(({ service, startedAt }) => [service, startedAt]));
  await eventually('all containers are well', patienceMs, async () => {
    const waiting = (await lasting()).filter((one) => !isWell(one) || began.get(one.service) === one.startedAt);
    if (waiting.length > 0)
      throw new Error(
        waiting.map(({ service, running, health }) => `${service}: ${running ? health : 'ended'}`).join(', '),
      );
  });
}

/**
 * Kills the first process of each container from outside, as the kernel does when memory is short. `docker kill` would not do:
 * to Docker that is a wish, which it respects by not starting the container again.
 */
export async function kill(...services: readonly string[]): Promise<readonly Container[]> {
  const victims = (await lasting()).filter(({ service }) => services.includes(service));
  if (victims.length !== services.length) throw new Error(`not all of ${services.join(', ')} run`);
  const script = "for (const pid of process.argv.slice(1)) process.kill(Number(pid), 'SIGKILL')";
  const where = ['--rm', '--pid=host', '--user=0', '--entrypoint=node', baseImage];
  await docker('run', ...where, '-e', script, ...victims.map(({ pid }) => String(pid)));
  return victims;
}

/**
 * Moves containers into a network of their own: they reach each other by name, and nobody else; what they had open falls
 * silent. `end` brings them back. Consul learns its own address when it starts, so whoever comes back is started again
 * when it is a server of Consul.
 */
export async function cutOff(...services: readonly string[]): Promise<{ end(): Promise<void> }> {
  const main = `${project}_default`;
  const island = islandNetwork;
  const victims = (await lasting()).filter(({ service }) => services.includes(service));
  if (victims.length !== services.length) throw new Error(`not all of ${services.join(', ')} run`);
  const aliases = async (id: string): Promise<readonly string[]> => {
    const [found] = JSON.parse(await docker('inspect', id)) as [
      { NetworkSettings: { Networks: Record<string, { Aliases: readonly string[] }> } },
    ];
    return found.NetworkSettings.Networks[main]!.Aliases;
  };
  const known = new Map<string, readonly string[]>();
  for (const { id } of victims) known.set(id, await aliases(id));
  const join = async (network: string): Promise<void> => {
    for (const { id } of victims)
      await docker('network', 'connect', ...known.get(id)!.map((name) => `--alias=${name}`), network, id);
  };
  const leave = async (network: string): Promise<void> => {
    for (const { id } of victims) await docker('network', 'disconnect', network, id);
  };
  await docker('network', 'create', '--internal', `--label=com.docker.compose.project=${project}`, island);
  await join(island);
  await leave(main);
  return {
    async end() {
      await join(main);
      await leave(island);
      await docker('network', 'rm', island);
      const servers = victims.filter(({ service }) => service.startsWith('consul'));
      await docker('restart', ...servers.map(({ id }) => id));
    },
  };
}

/** Tries again until `look` does not throw. */
export async function eventually<T>(what: string, patienceMs: number, look: () => Promise<T>): Promise<T> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > until)
        throw new Error(`${what}: not within ${patienceMs / 1000} s: ${(error as Error).message}`);
    }
    await sleep(500);
  }
}
