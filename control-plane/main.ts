import { formatAddress } from '../lib/address.ts';
import { systemClock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { formatIssue, InvalidInput } from '../lib/issues.ts';
import { jsonLog } from '../lib/log.ts';
import { optionsHelp } from '../lib/options.ts';
import { controlPlaneOptions, readControlPlaneConfig } from './config.ts';
import { startControlPlane } from './control-plane.ts';

const usage = `weft control-plane: keeps services and policies, issues identities, configures the sidecars

  weft control-plane                                          everything on this machine, kept in ~/.local/state/weft
  weft control-plane --store consul --grpc 0.0.0.0:7443       for several machines

`;

/** Runs the control plane until it is told to end. Gives the exit code: 0 done, 2 wrong usage, 3 it cannot start. */
export async function runControlPlane(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  // Heard from the first moment on: a signal during the start ends it as soon as it has come up, or waits for no store.
  const ending = new AbortController();
  const told = new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve()));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  try {
    const config = await readControlPlaneConfig(argv, env);
    if (config === 'help') {
      process.stdout.write(usage + optionsHelp(controlPlaneOptions));
      return 0;
    }
    const log = jsonLog({ level: config.logLevel });
    const { api, grpc, close } = await startControlPlane(config, { clock: systemClock, log, signal: ending.signal });
    const http = 'path' in api ? formatAddress(api) : `http://${formatAddress(api)}`;
    const addresses = { api: http, grpc: formatAddress(grpc) };
    // A line for each address where people look on; one for programs where one of them does.
    process.stdout.write(
      process.stdout.isTTY
        ? Object.entries(addresses)
            .map(([name, where]) => `weft control-plane: ${name} ${where}\n`)
            .join('')
        : `${JSON.stringify({ event: 'listening', ...addresses })}\n`,
    );
    await told;
    await close();
    return 0;
  } catch (error) {
    if (ending.signal.aborted) return 0;
    const lines = error instanceof InvalidInput ? error.issues.map(formatIssue) : [messageOf(error)];
    for (const line of lines) process.stderr.write(`weft control-plane: ${line}\n`);
    return error instanceof InvalidInput ? 2 : 3;
  }
}
