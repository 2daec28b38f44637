import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { exit } from '../failure.ts';
import { invalid, readInput } from '../files.ts';
import { count } from '../format/numbers.ts';

export function define(command: Command): void {
  command
    .argument('<files...>', 'files, folders, or - for standard input')
    .addHelpText(
      'after',
      "\nChecks each resource by itself. Names that point from one to another are checked by 'weft diff'.\n",
    )
    .action(async (paths: string[]) => {
      const context = contextOf(command);
      const { resources, workloads, issues, files } = await readInput(paths);
      const found = resources.length + workloads.length;
      const value = { ok: issues.length === 0, files: files.length, resources: found, issues };
      if (context.output === 'json' || context.output === 'yaml') {
        await context.print(value, () => '');
        if (!value.ok) process.exitCode = exit.no;
        return;
      }
      if (!value.ok) throw invalid(issues, '');
      context.terminal.out(`${count(found, 'resource')} in ${count(files.length, 'file')}, no problems`);
    });
}
