/** Entry of `weft`. What costs time or memory is imported by those who need it: a sidecar loads nothing of the CLI. */
import { version } from '../lib/version.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read our output has seen enough, as `head` does.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const [verb, ...rest] = process.argv.slice(2);

/** Gives the exit code where it is not the one that the process has already. */
async function main(): Promise<number | undefined> {
  // The daemons read their own command line.
  const [daemon, flags] = verb === 'help' ? [rest[0], ['--help']] : [verb, rest];
  if (daemon === 'sidecar') return (await import('../sidecar/main.ts')).runSidecar(flags, process.env);
  if (daemon === 'control-plane') return (await import('../control-plane/main.ts')).runControlPlane(flags, process.env);
  if (verb === 'version' && rest.length === 0) process.stdout.write(`weft ${version}\n`);
  else if (verb === 'healthy' && rest.length === 0) {
    const { exitCode, text } = await (await import('./healthy.ts')).askHealth(process.env);
    process.stdout.write(`${text}\n`);
    return exitCode;
  } else await (await import('./program.ts')).run(process.argv.slice(2));
  return undefined;
}

try {
  const exitCode = await main();
  if (exitCode !== undefined) process.exitCode = exitCode;
} catch (thrown) {
  const { explain } = await import('./explain.ts');
  const { exitCode, text } = explain(thrown);
  process.stderr.write(text);
  process.exitCode = exitCode;
}
