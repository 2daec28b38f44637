import type { Command } from 'commander';
import { type ApplyReply, applyReplySchema } from '../../proto/api/api.ts';
import { author } from '../author.ts';
import { type Context, contextOf } from '../context.ts';
import { Refused } from '../failure.ts';
import { located, noteWorkloads, readSound } from '../files.ts';
import { renderChanges, summarise } from '../format/changes.ts';
import { waitForSidecars, waitMs, waitOption, waitText } from '../wait.ts';

interface Options {
  readonly dryRun?: true;
  readonly wait?: string;
  readonly message: string;
}

export function define(command: Command): void {
  command
    .argument('[files...]', 'files, folders, or - for standard input')
    .option('-f, --file <file...>', 'the same, as an option')
    .option('--dry-run', 'show what would change, and change nothing')
    .option(waitOption, waitText)
    .option('-m, --message <text>', 'why, for the history', '')
    .addHelpText('after', '\nAll resources are applied together as one revision, or none of them.\n')
    .action(async (paths: string[], options: Options & { readonly file?: string[] }) => {
      const context = contextOf(command);
      const files = [...paths, ...(options.file ?? [])];
      if (files.length === 0) command.error("error: name the files to apply, such as 'weft apply mesh.yaml'");
      const wait = waitMs(options.wait);
      const reply = await applyFiles(context, files, options);
      await report(context, reply);
      if (wait !== undefined && !reply.dryRun) await waitForSidecars(context, reply.revision, wait);
    });
}

/** Sends what the files say. Problems that the control plane finds point into the files. */
export async function applyFiles(
  context: Context,
  files: readonly string[],
  options: { readonly dryRun?: true; readonly message: string },
): Promise<ApplyReply> {
  const input = await readSound(files);
  noteWorkloads(input, context.terminal);
  const body = {
    resources: input.resources.map(({ raw }) => raw),
    message: options.message,
    author: author(),
    dryRun: options.dryRun ?? false,
  };
  try {
    return await context.ask(context.client.post('/v1/apply', applyReplySchema, body));
  } catch (error) {
    throw error instanceof Refused ? located(error, input.resources) : error;
  }
}

/** What a change did, or would do. */
export async function report(context: Context, reply: ApplyReply): Promise<void> {
  const { revision, changes, dryRun } = reply;
  await context.print(reply, () => {
    const end = dryRun
      ? `${summarise(changes, false)}; nothing was applied`
      : changes.length === 0
        ? `no changes; the mesh is at revision ${revision}`
        : `revision ${revision}: ${summarise(changes, true)}`;
    const shown = dryRun ? renderChanges(changes, context.terminal.paint) : '';
    return `${shown}${end}`;
  });
}
