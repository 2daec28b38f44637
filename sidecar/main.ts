import { formatAddress } from '../lib/address.ts';
import { systemClock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { formatIssue, InvalidInput } from '../lib/issues.ts';
import { jsonLog } from '../lib/log.ts';
import { optionsHelp } from '../lib/options.ts';
import { systemRandom } from '../lib/random.ts';
import { readSidecarConfig, type SidecarConfig, sidecarOptions } from './config.ts';
import { startSidecar } from './sidecar.ts';

const usage = `weft sidecar: the proxy beside one service

  weft sidecar --service web --app 127.0.0.1:9000 --control-plane 127.0.0.1:7443 --token-file web.token --state ./web
  weft sidecar --service web --app 127.0.0.1:9000 --config mesh.yaml --mtls off

`;

/** Runs a sidecar until it is told to end. Gives the exit code: 0 done, 2 wrong usage, 3 cannot reach or listen. */
export async function runSidecar(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  let config: SidecarConfig | 'help';
  try {
    config = readSidecarConfig(argv, env);
  } catch (error) {
    return refused(error, 2);
  }
  if (config === 'help') {
    process.stdout.write(usage + optionsHelp(sidecarOptions));
    return 0;
  }
  const log = jsonLog({ level: config.logLevel, fields: { service: config.serviceKey } });
  try {
    const sidecar = await startSidecar(config, { clock: systemClock, random: systemRandom, log });
    const { inbound, outbound, admin, dns, upstreams } = sidecar;
    const addresses = { inbound, outbound, admin, ...(dns === undefined ? {} : { dns }) };
    const shown = Object.fromEntries(Object.entries(addresses).map(([name, where]) => [name, formatAddress(where)]));
    process.stdout.write(
      `${JSON.stringify({ event: 'listening', ...shown, ...(Object.keys(upstreams).length > 0 ? { upstreams } : {}) })}\n`,
    );
    await toldToEnd(config.exitWithStdin);
    await sidecar.drain();
    return 0;
  } catch (error) {
    return refused(error, error instanceof InvalidInput ? 2 : 3);
  }
}

function toldToEnd(withStdin: boolean): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    if (!withStdin) return;
    // The other end of the pipe is the parent: when it is gone, however it went, so are we.
    process.stdin.on('end', () => resolve()).on('error', () => resolve());
    process.stdin.resume();
  });
}

function refused(error: unknown, code: number): number {
  const text = error instanceof InvalidInput ? error.issues.map(formatIssue).join('\n') : messageOf(error);
  process.stderr.write(`weft sidecar: ${text}\n`);
  return code;
}
