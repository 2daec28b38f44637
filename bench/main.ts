// `npm run bench`: what a request through Weft costs, beside the peers that are installed. See README.md.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { build } from '../deploy/build.ts';
import { choice, flag, number, optionsHelp, readOptions, text } from '../lib/options.ts';
import { judge } from './budgets.ts';
import { makeCertificates } from './certificates.ts';
import type { Table } from './metrics.ts';
import { Origins } from './origins/origins.ts';
import { profileScenario } from './profile.ts';
import { renderTable, renderVerdicts } from './report.ts';
import { Rig } from './rig.ts';
import { runScenario } from './run.ts';
import { scenarios } from './scenarios.ts';

const options = {
  only: choice(
    'one table instead of all',
    scenarios.map(({ name }) => name),
  ),
  seconds: number('length of one measurement', 1, 600, '5'),
  rounds: number('measurements of each contender, interleaved', 1, 100, '3'),
  'warm-up': number('longest warm-up of one contender, in seconds', 0, 600, '30'),
  json: text('where the numbers go', 'FILE', 'dist/bench.json'),
  'no-budgets': flag('report only: a missed budget is no failure'),
  profile: flag('where the time of the sidecars goes, function by function, instead of tables; one round'),
  help: flag('this text'),
};

const { values, issues } = readOptions(options, { argv: process.argv.slice(2), env: {} });
if (values.help) process.stdout.write(`npm run bench -- [flags]\n\n${optionsHelp(options)}`);
else if (issues.length > 0) {
  for (const { path, message } of issues) process.stderr.write(`${path} ${message}\n`);
  process.exitCode = 2;
} else process.exitCode = await bench();

/** Gives the exit code: 1 when a budget is missed. */
async function bench(): Promise<number> {
  const note = (line: string): void => void process.stderr.write(`${line}\n`);
  note('building dist/ …');
  await build();
  const rig = new Rig();
  process.once('exit', () => rig.kill());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      note(`${signal}: ending everything`);
      process.exit(130);
    });
  try {
    if (rig.unpinned !== undefined) note(`processes are not pinned, numbers are worth less: ${rig.unpinned}`);
    const loadBefore = loadavg()[0]!;
    if (loadBefore > 0.5) note(`the machine is busy (load ${loadBefore.toFixed(2)}): compare ratios only`);
    const certificates = await makeCertificates(rig.folder);
    const stage = { rig, origins: new Origins(rig), certificates };
    const pace = { seconds: values.seconds!, rounds: values.rounds!, warmUp: values['warm-up']!, note };
    const chosen = scenarios.filter(({ name }) => values.only === undefined || name === values.only);
    if (values.profile) {
      for (const scenario of chosen) process.stdout.write(await profileScenario(scenario, stage, pace));
      return 0;
    }
    const tables: Table[] = [];
    for (const scenario of chosen) {
      const table = await runScenario(scenario, stage, pace);
      tables.push(table);
      process.stdout.write(`${renderTable(table)}\n`);
    }
    const verdicts = judge(tables);
    process.stdout.write(`${renderVerdicts(verdicts)}\n`);
    const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, loadBefore, pinned: rig.unpinned === undefined };
    const setup = { seconds: values.seconds, rounds: values.rounds, node: process.version, machine };
    writeFileSync(values.json!, `${JSON.stringify({ setup, tables, verdicts }, null, 2)}\n`);
    return !values['no-budgets'] && verdicts.some(({ verdict }) => verdict === 'missed') ? 1 : 0;
  } finally {
    await rig.close();
  }
}
