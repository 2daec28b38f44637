import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { edgesReplySchema } from '../../proto/api/api.ts';
import { type Context, contextOf } from '../context.ts';
import { edgeColumns } from '../format/edges.ts';
import { startScreen } from '../format/screen.ts';
import { renderTable } from '../format/table.ts';

const none = 'no traffic in the last seconds';

export function define(command: Command): void {
  command
    .option('-w, --watch', 'keep showing it, every second, until Ctrl-C')
    .action(async (options: { watch?: true }) => {
      const context = contextOf(command);
      if (options.watch) await watch(context);
      else {
        const edges = await read(context);
        await context.printTable(edges, edgeColumns, edges, none);
      }
    });
}

const read = async (context: Context) => (await context.ask(context.client.get('/v1/edges', edgesReplySchema))).edges;

async function watch(context: Context): Promise<void> {
  const { terminal } = context;
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  const screen = startScreen(terminal);
  while (!ended.signal.aborted) {
    const edges = await read(context);
    const table = () =>
      renderTable(edgeColumns, edges, {
        width: terminal.width,
        paint: terminal.paint,
        wide: context.output === 'wide',
      });
    if (context.output === 'table' || context.output === 'wide') screen.show(edges.length === 0 ? none : table());
    else await context.print(edges, table);
    await sleep(1000, undefined, { signal: ended.signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error;
    });
  }
}
