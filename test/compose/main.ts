// `npm run e2e:compose [-- --short]`: the containers of this project, for real; what deploy/README.md says of them is seen to be so.
// Needs Docker and the images that the compose files name. Ends with 0, or with 1 and which story was not so.
import { parseArgs } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { baseStories } from './base.ts';
import { compose, containers, docker, islandNetwork, lasting, run } from './docker.ts';
import { haStories } from './ha.ts';
import { examineImage, type ImageMeasures } from './image.ts';
import { commandsOf, runLine } from './readme.ts';
import type { Story } from './story.ts';

const { short } = parseArgs({ options: { short: { type: 'boolean', default: false } } }).values;
const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`;

async function tell({ name, tell }: Story): Promise<void> {
  const began = performance.now();
  try {
    const note = await tell();
    say(`✓ ${seconds(began)}  ${name}${note && ` (${note})`}`);
  } catch (error) {
    say(`✗ ${seconds(began)}  ${name}`);
    throw error;
  }
}

/** Memory of each container, largest first; nothing but the visitor of the shop, twice a second, goes on meanwhile. */
async function memory(): Promise<readonly string[]> {
  const ids = (await lasting()).map(({ id }) => id);
  const lines = (await docker('stats', '--no-stream', '--format', '{{.Name}}\t{{.MemUsage}}', ...ids))
    .trim()
    .split('\n');
  return lines.map((line) => {
    const [name = '', usage = ''] = line.split('\t');
    return `| ${name.replace(/^weft-e2e-|-1$/g, '')} | ${usage.split(' / ')[0]} |`;
  });
}

function report({ overBaseMb, readyMs }: ImageMeasures, used: readonly string[]): string {
  const ready = Object.entries(readyMs).map(([name, ms]) => `${name} ${ms} ms`);
  const rows = used.toSorted();
  return [
    `image: ${overBaseMb.toFixed(1)} MB on top of Node's; from start to ready (500 ms on a quiet machine): ${ready.join(', ')}`,
    '',
    '| container | memory |',
    '|---|---|',
    ...rows,
  ].join('\n');
}

async function stories(): Promise<void> {
  let image: ImageMeasures | undefined;
  await tell({
    name: 'the image is built, small, and does what its page says',
    async tell() {
      for (const command of commandsOf('The image by itself')) await runLine(command);
      image = await examineImage();
      return '';
    },
  });
  for (const story of baseStories) if (!(short && story.full)) await tell(story);
  const used = await memory();
  if (!short) for (const story of haStories) await tell(story);
  say(`\n${report(image!, used)}\n`);
}

/** What the containers said last, for whoever has to find out. */
async function lastWords(): Promise<void> {
  for (const { service, name, running, health } of await containers()) {
    const { stdout, stderr } = await run('docker', ['logs', '--tail', '15', name]);
    const lines = (stdout + stderr).trim().split('\n');
    say(
      [`--- ${service} (${running ? 'running' : 'ended'} ${health})`, ...lines.map((line) => line.slice(0, 300))].join(
        '\n',
      ),
    );
  }
}

async function clean(): Promise<void> {
  await compose('ha', 'down', '-v', '--remove-orphans', '--timeout', '5');
  await run('docker', ['rm', '-fv', 'weft-control-plane']);
  await run('docker', ['network', 'rm', islandNetwork]);
  const left = await containers();
  if (left.length > 0) throw new Error(`left behind: ${left.map(({ name }) => name).join(', ')}`);
}

if ((await run('docker', ['info']).catch(() => ({ code: 1 }))).code !== 0) {
  process.stderr.write(
    'e2e:compose: NOT RUN: Docker does not answer here, so nothing about containers has been tested\n',
  );
  process.exit(1);
}
const began = performance.now();
await clean();
try {
  await stories();
  await runLine(commandsOf('Three of everything').at(-1)!);
  await runLine(commandsOf('The shop in a mesh').at(-1)!);
  say(`everything is so, in${seconds(began)}`);
} catch (error) {
  await lastWords();
  process.stderr.write(`\ne2e:compose: ${messageOf(error)}\n`);
  process.exitCode = 1;
} finally {
  await clean();
}
