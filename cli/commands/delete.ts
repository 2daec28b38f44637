import type { Command } from 'commander';
import { keyOf } from '../../policies/resource.ts';
import { applyReplySchema } from '../../proto/api/api.ts';
import { author } from '../author.ts';
import { contextOf } from '../context.ts';
import { readSound } from '../files.ts';
import { kindNamed } from '../kinds.ts';
import { waitForSidecars, waitMs, waitOption, waitText } from '../wait.ts';
import { report } from './apply.ts';

interface Options {
  readonly namespace: string;
  readonly file?: string[];
  readonly dryRun?: true;
  readonly wait?: string;
  readonly message: string;
}

export function define(command: Command): void {
  command
    .argument('[kind]', 'kind of the resources')
    .argument('[names...]', 'their names')
    .option('-n, --namespace <name>', 'their namespace', 'default')
    .option('-f, --file <file...>', 'delete the resources that these files name')
    .option('--dry-run', 'show what would change, and change nothing')
    .option(waitOption, waitText)
    .option('-m, --message <text>', 'why, for the history', '')
    .action(async (kind: string | undefined, names: string[], options: Options) => {
      const context = contextOf(command);
      const wait = waitMs(options.wait);
      const named = kind !== undefined && names.length > 0;
      if (named === (options.file !== undefined))
        command.error("error: name what to delete, such as 'weft delete retrypolicy web', or files with -f");
      const keys = named
        ? names.map((name) => ({ kind: kindNamed(kind), namespace: options.namespace, name }))
        : (await readSound(options.file ?? [])).resources.map(({ resource }) => keyOf(resource));
      const body = { delete: keys, message: options.message, author: author(), dryRun: options.dryRun ?? false };
      const reply = await context.ask(context.client.post('/v1/apply', applyReplySchema, body));
      await report(context, reply);
      if (wait !== undefined && !reply.dryRun) await waitForSidecars(context, reply.revision, wait);
    });
}
