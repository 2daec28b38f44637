import type { Command } from 'commander';
import { applyReplySchema } from '../../proto/api/api.ts';
import { author } from '../author.ts';
import { contextOf } from '../context.ts';
import { revisionNamed } from '../revision.ts';
import { waitForSidecars, waitMs, waitOption, waitText } from '../wait.ts';
import { report } from './apply.ts';

export function define(command: Command): void {
  command
    .argument('<revision>', 'restore the mesh as it was after this revision; 0 is the empty mesh')
    .option('--dry-run', 'show what would change, and change nothing')
    .option(waitOption, waitText)
    .option('-m, --message <text>', 'why, for the history', '')
    .addHelpText('after', '\nA rollback is a new revision itself, so it can be rolled back too.\n')
    .action(async (revision: string, options: { dryRun?: true; wait?: string; message: string }) => {
      const context = contextOf(command);
      const wait = waitMs(options.wait);
      const to = revisionNamed('revision', revision);
      const message = options.message || `rollback to ${to}`;
      const body = { to, message, author: author(), dryRun: options.dryRun ?? false };
      const reply = await context.ask(context.client.post('/v1/rollback', applyReplySchema, body));
      await report(context, reply);
      if (wait !== undefined && !reply.dryRun) await waitForSidecars(context, reply.revision, wait);
    });
}
