import type { Command } from 'commander';
import { version } from '../../lib/version.ts';
import { contextOf } from '../context.ts';

export function define(command: Command): void {
  command.action(async () => {
    const context = contextOf(command);
    const { node } = process.versions;
    await context.print({ version, node }, () =>
      context.output === 'wide' ? `weft ${version}, Node ${node}` : `weft ${version}`,
    );
  });
}
