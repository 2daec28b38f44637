import { Argument, type Command } from 'commander';
import { completionScript, shells } from '../completion.ts';

export function define(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .addHelpText(
      'after',
      '\nbash:  source <(weft completion bash)\nzsh:   source <(weft completion zsh)\nfish:  weft completion fish | source\n',
    )
    .action((shell: (typeof shells)[number]) => {
      process.stdout.write(completionScript(shell, command.parent!));
    });
}
