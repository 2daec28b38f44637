import { InvalidRun, warmUp } from './measure.ts';
import type { Row, Sample, Table } from './metrics.ts';
import type { Contender, Path, Stage } from './peers/peer.ts';
import { isInstalled } from './rig.ts';
import type { Scenario } from './scenarios.ts';

export interface Pace {
  readonly seconds: number;
  readonly rounds: number;
  /** Told what happens now. */
  readonly note: (text: string) => void;
}

/** Measures A B C A B C …: what the machine does meanwhile then weighs on all of them alike. */
export async function runScenario(scenario: Scenario, stage: Stage, pace: Pace): Promise<Table> {
  const rounds = new Map<Contender, Sample[]>();
  const problems = new Map<Contender, string[]>();
  const paths = new Map<Contender, Path>();
  for (const contender of scenario.contenders) {
    rounds.set(contender, []);
    const missing = [...scenario.programs, ...contender.programs].filter((program) => !isInstalled(program));
    problems.set(contender, missing.length > 0 ? [`not measured: ${missing.join(', ')} not installed`] : []);
  }
  const able = scenario.contenders.filter((contender) => problems.get(contender)!.length === 0);
  const attempt = async (contender: Contender, what: string, step: () => Promise<void>): Promise<void> => {
    pace.note(`${scenario.name}: ${contender.name}: ${what}`);
    try {
      await step();
    } catch (error) {
      problems
        .get(contender)!
        .push(`${what}: ${error instanceof InvalidRun ? 'invalid: ' : ''}${(error as Error).message}`);
    }
  };
  const stop = async (contender: Contender): Promise<void> => {
    const path = paths.get(contender);
    for (const process of [...(path?.processes ?? []), ...(path?.helpers ?? [])]) await process.stop();
    paths.delete(contender);
  };

  if (!scenario.restarts)
    for (const contender of able)
      await attempt(contender, 'warm up', async () => {
        const path = await contender.start(stage);
        paths.set(contender, path);
        await warmUp(stage.rig, path, contender.warmUpRequests);
      });
  for (let round = 1; round <= pace.rounds; round++)
    for (const contender of able) {
      let sample: Sample = {};
      await attempt(contender, `round ${round}`, async () => {
        if (scenario.restarts) paths.set(contender, await contender.start(stage));
        const path = paths.get(contender);
        if (path === undefined) return;
        sample = await scenario.measure(stage.rig, path, pace.seconds, contender);
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

/** p99 over that of the same round without any proxy, where there was one. */
function withAddedLatency(rows: readonly Row[]): readonly Row[] {
  const direct = rows.find((row) => row.contender === 'no proxy');
  if (direct === undefined) return rows;
  return rows.map((row) => ({
    ...row,
    rounds: row.rounds.map((sample, round) => {
      const without = direct.rounds[round]?.p99Ms;
      if (row === direct || sample.p99Ms === undefined || without === undefined) return sample;
      return { ...sample, addedP99Ms: sample.p99Ms - without };
    }),
  }));
}
