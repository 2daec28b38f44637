/** `npm start`: the example shop on a mesh of its own, with visitors, and a live table of what goes on. */
import { join } from 'node:path';
import { formatIssue } from '../lib/issues.ts';
import { optionsHelp, readOptions } from '../lib/options.ts';
import { explain } from './explain.ts';
import { exit, Failure } from './failure.ts';
import { startOptions } from './start/options.ts';
import { runShop } from './start/shop.ts';
import { systemTerminal } from './terminal.ts';

try {
  const { values, issues } = readOptions(startOptions, { argv: process.argv.slice(2), env: process.env });
  if (issues.length > 0)
    throw new Failure(exit.usage, `${issues.map(formatIssue).join('\n')}\nnpm start -- --help lists the flags`);
  if (values.help) process.stdout.write(`npm start -- [flags]\n\n${optionsHelp(startOptions)}`);
  else {
    const files = [join(import.meta.dirname, '..', 'examples', 'shop', 'mesh.yaml')];
    process.exitCode = await runShop({ ...values, files, terminal: systemTerminal(), env: process.env });
  }
} catch (thrown) {
  const { exitCode, text } = explain(thrown);
  process.stderr.write(text);
  process.exitCode = exitCode;
}
