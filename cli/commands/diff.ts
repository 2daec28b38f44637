import type { Command } from 'commander';
import { diffReplySchema } from '../../proto/api/api.ts';
import { contextOf } from '../context.ts';
import { exit } from '../failure.ts';
import { renderChanges, summarise } from '../format/changes.ts';
import { revisionNamed } from '../revision.ts';
import { applyFiles } from './apply.ts';

export function define(command: Command): void {
  command
    .argument('[files...]', 'files, folders, or - for standard input: compared with the mesh')
    .option('-f, --file <file...>', 'the same, as an option')
    .option('--from <revision>', 'compare from this revision instead; 0 is the empty mesh')
    .option('--to <revision>', 'up to this one (default: the last)')
    .addHelpText('after', '\nThe exit code is 1 when there are differences, as with diff(1).\n')
    .action(async (paths: string[], options: { file?: string[]; from?: string; to?: string }) => {
      const context = contextOf(command);
      const files = [...paths, ...(options.file ?? [])];
      if (files.length > 0 === (options.from !== undefined))
        command.error("error: name files, as in 'weft diff mesh.yaml', or revisions, as in 'weft diff --from 3'");
      if (options.to !== undefined && options.from === undefined) command.error('error: --to needs --from');
      const reply =
        options.from === undefined
          ? await applyFiles(context, files, { dryRun: true, message: '' })
          : await context.ask(
              context.client.get('/v1/diff', diffReplySchema, {
                from: revisionNamed('--from', options.from),
                to: options.to === undefined ? undefined : revisionNamed('--to', options.to),
              }),
            );
      await context.print(
        reply,
        () =>
          `${renderChanges(reply.changes, context.terminal.paint)}${summarise(reply.changes, options.from !== undefined)}`,
      );
      if (reply.changes.length > 0) process.exitCode = exit.no;
    });
}
