import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../harness/sources.ts';
import { must } from './docker.ts';

/** The commands of a section of deploy/README.md, as they stand there. Throws unless there are five. */
export function commandsOf(title: string): readonly string[] {
  const text = readFileSync(join(root, 'deploy', 'README.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  const commands = /^```sh\n(.*?)\n```$/ms.exec(section ?? '')?.[1]?.split('\n') ?? [];
  if (commands.length !== 5) throw new Error(`deploy/README.md, ${title}: ${commands.length} commands instead of 5`);
  return commands;
}

/** Runs a command in a shell, without a terminal; gives what it printed. Throws unless it ends with 0. */
export const runLine = (command: string): Promise<string> =>
  must('sh', ['-euc', command.replace(/ exec (?!-T)/, ' exec -T ')]);
