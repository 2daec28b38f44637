import type { Command } from 'commander';
import { exit, Failure } from '../failure.ts';

/** The daemons read their own command line, so that they need not load the CLI; it must come first. */
export function define(command: Command): void {
  const name = command.name();
  command
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw new Failure(exit.usage, `write 'weft ${name}' first, then its flags: 'weft ${name} --help' lists them`);
    });
}
