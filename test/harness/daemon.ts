import { type Running, startWeft } from './weft.ts';

/** A `weft control-plane` or `weft sidecar` that listens. */
export interface Daemon {
  readonly running: Running;
  /** By flag: `api`, `grpc`, or `inbound`, `outbound`, `admin`. */
  readonly at: Readonly<Record<string, string>>;
}

/** Resolves when it says where it listens. Its ports are free ones unless `flags` say otherwise. */
export async function startDaemon(
  program: 'control-plane' | 'sidecar',
  flags: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Daemon> {
  const listeners = program === 'sidecar' ? ['inbound', 'outbound', 'admin'] : ['api', 'grpc'];
  const chosen = listeners.filter((name) => !flags.includes(`--${name}`));
  const running = startWeft([program, ...flags, ...chosen.flatMap((name) => [`--${name}`, '127.0.0.1:0'])], { env });
  const at = await running.line((line) =>
    line.startsWith('{"event":"listening"') ? (JSON.parse(line) as Record<string, string>) : undefined,
  );
  return { running, at };
}
