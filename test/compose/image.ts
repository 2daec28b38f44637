import { baseImage, docker, eventually, run } from './docker.ts';

/** What is asked of the image. */
const maxOverBase = 60 * 1024 * 1024;
/** The machine may be busy with something else: the best of a few says what the program needs. */
const starts = 5;

const hardened = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges:true', '-v', '/var/lib/weft'];
const sidecar = ['sidecar', '--service=none', '--app=127.0.0.1:1', '--control-plane=127.0.0.1:7443', '--token=none'];
const programs = { sidecar, 'control plane': ['control-plane'] };
/** How long a start may take is said in the report: it depends on what else the machine does. This is none at all. */
const maxReadyMs = 10_000;

export interface ImageMeasures {
  readonly overBaseMb: number;
  /** From the start of the container to the line that says where it listens, by program. */
  readonly readyMs: Readonly<Record<string, number>>;
}

const sizeOf = async (image: string): Promise<number> =>
  Number(await docker('image', 'inspect', image, '-f', '{{.Size}}'));

/** Throws when the image is too large, does not start, has another user than it should, or does not end in order. */
export async function examineImage(): Promise<ImageMeasures> {
  const overBase = (await sizeOf('weft')) - (await sizeOf(baseImage));
  if (overBase > maxOverBase) throw new Error(`the image has ${overBase} octets on top of its base`);
  const user = (await docker('image', 'inspect', 'weft', '-f', '{{.Config.User}}')).trim();
  if (user === '' || user === 'root' || user === '0') throw new Error(`it runs as '${user}'`);
  const readyMs: Record<string, number> = {};
  for (const [name, args] of Object.entries(programs)) {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < starts; i++) best = Math.min(best, await startOnce(args));
    readyMs[name] = best;
    if (best > maxReadyMs) throw new Error(`the ${name} is there after ${best} ms`);
  }
  return { overBaseMb: overBase / 1e6, readyMs };
}

/** Milliseconds until it listens. */
async function startOnce(args: readonly string[]): Promise<number> {
  const id = (await docker('run', '-d', ...hardened, 'weft', ...args)).trim();
  try {
    const said = await eventually('it listens', 20_000, async () => {
      const line = (await docker('logs', '-t', id)).split('\n').find((one) => one.includes('"event":"listening"'));
      if (line === undefined) throw new Error('it has not said so');
      return Date.parse(line.slice(0, line.indexOf(' ')));
    });
    const started = Date.parse((await docker('inspect', id, '-f', '{{.State.StartedAt}}')).trim());
    // Process 1 is Node itself, so SIGTERM comes to it; the kill that Docker sends after ten seconds would leave 137.
    await docker('stop', id);
    const code = (await docker('inspect', id, '-f', '{{.State.ExitCode}}')).trim();
    if (code !== '0') throw new Error(`SIGTERM ended it with ${code}`);
    return said - started;
  } finally {
    await run('docker', ['rm', '-fv', id]);
  }
}
