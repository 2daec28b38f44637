/** Entry of `weft`. What costs time or memory is imported by those who need it: a sidecar loads nothing of the CLI. */
const [verb = '', ...rest] = process.argv.slice(2);

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read our output has seen enough, as `head` does.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

async function main(): Promise<void> {
  if (verb === 'version' && rest.length === 0) process.stdout.write(`weft ${(await import('./version.ts')).version}\n`);
  else await (await import('./program.ts')).run(process.argv.slice(2));
}

try {
  await main();
} catch (thrown) {
  const { explain } = await import('./explain.ts');
  const { exitCode, text } = explain(thrown);
  process.stderr.write(text);
  process.exitCode = exitCode;
}
