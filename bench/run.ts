import { InvalidRun, warmUp } from './measure.ts';
import type { Metric, Row, Sample, Table } from './metrics.ts';
import { apps } from './origins/origins.ts';
import type { Contender, Path, Stage } from './peers/peer.ts';
import { isInstalled } from './rig.ts';
import type { Scenario } from './scenarios.ts';

export interface Pace {
  readonly seconds: number;
  readonly rounds: number;
  /** The longest that one contender is warmed up, in seconds: for machines so slow or busy that the requests do not come together. */
  readonly warmUp: number;
  /** Told what happens now. */
  readonly note: (text: string) => void;
}

/** Programs that this contender would need and that are not there. */
export const missing = (scenario: Scenario, contender: Contender): readonly string[] =>
  [...new Set([...scenario.programs, ...contender.programs, ...apps[contender.app].programs])].filter(
    (program) => !isInstalled(program),
  );

async function endPath(path: Path | undefined): Promise<void> {
  for (const process of [...(path?.processes ?? []), ...(path?.helpers ?? [])]) await process.stop();
}

/** Measures A B C A B C …: what the machine does meanwhile then weighs on all of them alike. */
export async function runScenario(scenario: Scenario, stage: Stage, pace: Pace): Promise<Table> {
  const { rig, origins } = stage;
  const rounds = new Map<Contender, Sample[]>();
  const problems = new Map<Contender, string[]>();
  const paths = new Map<Contender, Path>();
  for (const contender of scenario.contenders) {
    rounds.set(contender, []);
    const programs = missing(scenario, contender);
    problems.set(contender, programs.length > 0 ? [`not measured: ${programs.join(', ')} not installed`] : []);
  }
  const able = scenario.contenders.filter((contender) => problems.get(contender)!.length === 0);
  const attempt = async (contender: Contender, what: string, step: () => Promise<void>): Promise<void> => {
    pace.note(`${scenario.name}: ${contender.name}: ${what}`);
    try {
      await step();
    } catch (error) {
      const problem = `${what}: ${error instanceof InvalidRun ? 'invalid: ' : ''}${(error as Error).message}`;
      pace.note(`${scenario.name}: ${contender.name}: ${problem}`);
      problems.get(contender)!.push(problem);
    }
  };
  const start = (contender: Contender): Promise<void> =>
    rig.undo(async () => {
      paths.set(contender, await contender.start(stage));
    });
  const stop = async (contender: Contender): Promise<void> => {
    await endPath(paths.get(contender));
    paths.delete(contender);
  };

  // They stay for the other scenarios, so they must not begin as a part of a contender's start.
  for (const { app } of able) await origins.of(app);
  if (!scenario.restarts)
    for (const contender of able)
      await attempt(contender, 'warm up', async () => {
        await start(contender);
        const { app, warmUpRequests } = contender;
        const round = { rig, path: paths.get(contender)!, app, origin: await origins.of(app) };
        await warmUp(round, warmUpRequests, pace.warmUp);
      });
  for (let round = 1; round <= pace.rounds; round++)
    for (const contender of able) {
      let sample: Sample = {};
      if (scenario.restarts) await attempt(contender, 'start', () => start(contender));
      const path = paths.get(contender);
      if (path !== undefined)
        await attempt(contender, `round ${round}`, async () => {
          const { app } = contender;
          const { seconds } = pace;
          sample = await scenario.measure({ rig, path, app, origin: await origins.of(app), seconds }, contender);
        });
      rounds.get(contender)!.push(sample);
      if (scenario.restarts) await stop(contender);
    }
  for (const contender of able) await stop(contender);
  const rows = scenario.contenders.map(
    (contender): Row => ({
      contender: contender.name,
      rounds: rounds.get(contender)!,
      problems: problems.get(contender)!,
    }),
  );
  const { name, title, columns } = scenario;
  return { scenario: name, title, columns, rows: withAddedLatency(rows) };
}

const added: readonly (readonly [from: Metric, to: Metric])[] = [
  ['p99Ms', 'addedP99Ms'],
  ['jitterP99Ms', 'addedJitterP99Ms'],
];

/** p99 over that of the same round without any proxy, where there was one. */
function withAddedLatency(rows: readonly Row[]): readonly Row[] {
  const direct = rows.find((row) => row.contender === 'no proxy');
  if (direct === undefined) return rows;
  return rows.map((row) => ({
    ...row,
    rounds: row.rounds.map((sample, round) => {
      const more: Sample = {};
      for (const [from, to] of added) {
        const without = direct.rounds[round]?.[from];
        const value = sample[from];
        if (row !== direct && value !== undefined && without !== undefined) more[to] = value - without;
      }
      return { ...sample, ...more };
    }),
  }));
}
