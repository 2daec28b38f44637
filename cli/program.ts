import { Command, CommanderError, Option } from 'commander';
import { parseDuration } from '../lib/duration.ts';
import { version } from '../lib/version.ts';
import { outputs } from './context.ts';
import { exit, Failure } from './failure.ts';
import { groups, verbs } from './verbs.ts';

const defaultWait = '30s';

const examples = `
Examples:
  weft up -f mesh.yaml                    a mesh of your own processes, on this machine
  weft check mesh.yaml                    find mistakes before anything runs
  weft diff mesh.yaml                     what would change
  weft apply mesh.yaml --wait             change it, and return when every sidecar runs it
  weft edges --watch                      who talks to whom, how fast, how well
  weft history && weft rollback 4         go back to revision 4
  weft doctor                             when something is wrong

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 cannot reach the control plane.
`;

/** The whole command line; only the commands named in `wanted` are loaded, the others are known by name and summary. */
export async function makeProgram(wanted: (verb: string) => boolean): Promise<Command> {
  const program = new Command('weft')
    .description('Weft is a service mesh that one person can run and understand.')
    .addOption(
      new Option('--server <url>', 'address of the control plane API')
        .env('WEFT_SERVER')
        .default('http://127.0.0.1:7080'),
    )
    .addOption(new Option('--token-file <file>', 'file with the token of the API').env('WEFT_TOKEN_FILE'))
    .addOption(
      new Option('-o, --output <format>', 'how to print: for people, or for programs')
        .choices(outputs)
        .default('table'),
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText('after', examples)
    .exitOverride();
  for (const { title, verbs } of groups) {
    program.commandsGroup(title);
    for (const { name, summary, load } of verbs) {
      const command = program
        .command(name)
        .summary(summary)
        .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`);
      if (wanted(name)) (await load()).define(command);
    }
  }
  program.commandsGroup('More:');
  program.addHelpCommand(
    new Command('help').argument('[command]').description('print help for a command').helpGroup('More:'),
  );
  return program;
}

/** Runs one command line. Throws Failure when it did not do what was asked. */
export async function run(argv: readonly string[]): Promise<void> {
  const named = argv.filter((word) => verbs.some(({ name }) => name === word));
  const program = await makeProgram((verb) => named.includes(verb) || named.includes('completion'));
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    throw new Failure(exit.usage, '');
  }
  try {
    await program.parseAsync(withWait(argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed its message already.
    if (error.exitCode !== 0) throw new Failure(exit.usage, '');
  }
}

/** `--wait` may stand before the files although its value may be left out. */
function withWait(argv: readonly string[]): string[] {
  return argv.map((word, i) =>
    word === '--wait' && parseDuration(argv[i + 1] ?? '') === undefined ? `--wait=${defaultWait}` : word,
  );
}
