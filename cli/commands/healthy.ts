import type { Command } from 'commander';
import { askHealth } from '../healthy.ts';
import { plain, systemTerminal } from '../terminal.ts';

export function define(command: Command): void {
  command
    .addHelpText(
      'after',
      '\nFor health checks of containers: WEFT_ADMIN or WEFT_API say where to ask, as they say to the sidecar or control plane\nwhere to listen. A sidecar is well when it carries the requests of its app, whether or not the app takes any.\n',
    )
    .action(async () => {
      const { exitCode, text } = await askHealth(process.env);
      systemTerminal().out(plain(text));
      process.exitCode = exitCode;
    });
}
