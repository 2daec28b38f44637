import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { type ApiEdge, edgesReplySchema } from '../../proto/api/api.ts';
import { type ExitCode, exit } from '../failure.ts';
import { type Screen, startScreen } from '../format/screen.ts';
import { plain, type Terminal } from '../terminal.ts';
import { untilToldToEnd } from '../up/signals.ts';
import { startUp, type Up } from '../up/up.ts';
import { startDoor } from './door.ts';
import type { StartOptions } from './options.ts';
import { startVisitor, type Visits } from './visitor.ts';
import { edgeTable, summary, welcome } from './words.ts';

const visitor = 'visitor';
/** On a terminal the table is alive; a log that grows by a table now and then is enough. */
const refreshMs = { terminal: 1000, plain: 5000 };
const maxNotes = 20;

/** Runs the shop until it is told to end or `for` is over. Gives how it went. */
export async function runShop(
  options: StartOptions & {
    readonly files: readonly string[];
    readonly terminal: Terminal;
    readonly env: NodeJS.ProcessEnv;
  },
): Promise<ExitCode> {
  const { terminal } = options;
  const told = untilToldToEnd();
  const screen = startScreen(terminal);
  const deaths = new Set<string>();
  const door = await startDoor();
  try {
    const up = await startUp({
      files: options.files,
      state: options.state,
      controlPlane: {
        store: options.store,
        consulAddress: options['consul-address'],
        api: options.api,
        grpc: options.grpc,
      },
      present: [{ service: visitor, app: door.address }],
      env: options.env,
      events: {
        onDeath(name, how, restartMs) {
          deaths.add(`${name} ${how}`);
          screen.log(terminal.paint('yellow', `${name} ${how}; starting it again in ${restartMs}ms`));
        },
        ...(options.verbose ? { onOutput: (name, line) => screen.log(plain(`${name} | ${line}`)) } : {}),
      },
      onStep: (text) => terminal.note(`${text} …`),
      signal: told,
    });
    try {
      const visits = await openShop(up, screen, options, told);
      terminal.out(summary(visits, await edgesOrNone(up), deaths, terminal));
      const good = visits.failures === 0 && visits.requests > 0;
      // Whoever asked for a time asked whether it works; a Ctrl-C asks for nothing.
      return good || options.for === undefined ? exit.done : exit.no;
    } finally {
      terminal.note('ending …');
      await up.close();
    }
  } finally {
    await door.close();
  }
}

/** Sends visitors and shows the traffic until it is over. */
async function openShop(
  up: Up,
  screen: Screen,
  { rate, for: forMs, terminal }: StartOptions & { readonly terminal: Terminal },
  told: AbortSignal,
): Promise<Visits> {
  let notes = 0;
  const visits = await startVisitor({
    outbound: outboundOf(up),
    service: 'web',
    perSecond: rate!,
    onFailure(reason) {
      if (notes++ < maxNotes) screen.log(terminal.paint('red', plain(`a request failed: ${reason}`)));
    },
  });
  terminal.out(welcome(up, outboundOf(up), terminal));
  const end = forMs === undefined ? told : AbortSignal.any([told, AbortSignal.timeout(forMs)]);
  await showTraffic(up, screen, terminal, visits.visits, end);
  await visits.close();
  return visits.visits();
}

/** Until the end: the table of edges, again and again. */
async function showTraffic(
  up: Up,
  screen: Screen,
  terminal: Terminal,
  visits: () => Visits,
  end: AbortSignal,
): Promise<void> {
  while (!end.aborted) {
    await pause(terminal.interactive ? refreshMs.terminal : refreshMs.plain, end);
    if (end.aborted) return;
    const { requests, failures } = visits();
    const line = `${requests} requests, ${failures === 0 ? 'none failed' : `${failures} failed`}`;
    try {
      screen.show(`${edgeTable(await readEdges(up), terminal)}${line}`);
    } catch (error) {
      // The control plane may be away: traffic goes on without it, so the show does too.
      screen.show(`${line}\n(${plain(messageOf(error).split('\n', 1)[0]!)})`);
    }
  }
}

async function pause(ms: number, end: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: end });
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
  }
}

const readEdges = async ({ client }: Up): Promise<readonly ApiEdge[]> =>
  (await client.get('/v1/edges', edgesReplySchema)).edges;

async function edgesOrNone(up: Up): Promise<readonly ApiEdge[]> {
  try {
    return await readEdges(up);
  } catch (error) {
    if ((error as Error).name !== 'Failure') throw error;
    return [];
  }
}

const outboundOf = ({ sidecars }: Up): string => sidecars.find(({ name }) => name === visitor)!.outbound;
