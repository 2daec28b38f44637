import { type Command, InvalidArgumentError } from 'commander';
import { keyText } from '../../policies/resource.ts';
import { type ApiRevision, revisionSchema, revisionsReplySchema } from '../../proto/api/api.ts';
import { contextOf } from '../context.ts';
import { renderChanges, summarise } from '../format/changes.ts';
import { age } from '../format/numbers.ts';
import type { Column } from '../format/table.ts';
import { revisionNamed } from '../revision.ts';
import { plain } from '../terminal.ts';

const columns: readonly Column<ApiRevision>[] = [
  { title: 'REVISION', align: 'right', value: ({ revision }) => String(revision), style: () => 'bold' },
  { title: 'AGE', align: 'right', value: ({ at }) => age(at) },
  { title: 'TIME', value: ({ at }) => at, wide: true },
  { title: 'AUTHOR', value: ({ author }) => author || '-' },
  { title: 'CHANGED', value: ({ changes }) => summarise(changes, true) },
  { title: 'WHAT', value: ({ changes }) => changes.map(({ key }) => keyText(key)).join(', '), wide: true },
  { title: 'MESSAGE', value: ({ message }) => message || '-' },
];

export function define(command: Command): void {
  command
    .argument('[revision]', 'show this revision with every field that it changed')
    .option('-l, --limit <number>', 'how many, the newest first', limit, 20)
    .action(async (revision: string | undefined, options: { limit: number }) => {
      const context = contextOf(command);
      const { client, terminal } = context;
      if (revision !== undefined) {
        const found = await context.ask(
          client.get(`/v1/revisions/${revisionNamed('revision', revision)}`, revisionSchema),
        );
        await context.print(found, () => {
          const head = `revision ${found.revision} by ${found.author || 'unknown'} at ${found.at}`;
          return `${terminal.paint('bold', plain(head))}\n${plain(found.message)}\n${renderChanges(found.changes, terminal.paint)}`;
        });
        return;
      }
      const { revisions } = await context.ask(
        client.get('/v1/revisions', revisionsReplySchema, { limit: options.limit }),
      );
      const newestFirst = revisions.toReversed();
      await context.printTable(
        newestFirst,
        columns,
        newestFirst,
        "no revisions yet: 'weft apply FILE' makes the first",
      );
    });
}

function limit(text: string): number {
  const n = Number(text);
  if (!/^[0-9]{1,3}$/.test(text) || n < 1 || n > 500)
    throw new InvalidArgumentError('It must be a number from 1 to 500.');
  return n;
}
