import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender, Stage } from './peers/peer.ts';
import { gist, type Started } from './rig.ts';
import { missing, type Pace } from './run.ts';
import type { Scenario } from './scenarios.ts';

/** The part of a V8 CPU profile that is read here. */
interface Profile {
  readonly nodes: readonly {
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly hitCount: number;
  }[];
}

export interface SelfTime {
  readonly where: string;
  /** Of the time that the process was not idle. */
  readonly percent: number;
}

/** Functions by the time spent in themselves, callees apart, most first. `(program)` is native code and system calls. */
export function selfTimes(profile: Profile): readonly SelfTime[] {
  const hits = new Map<string, number>();
  for (const { callFrame, hitCount } of profile.nodes) {
    if (callFrame.functionName === '(idle)' || hitCount === 0) continue;
    const file = callFrame.url.slice(callFrame.url.lastIndexOf('/') + 1);
    const where = `${callFrame.functionName || '(anonymous)'}${file && ` ${file}:${callFrame.lineNumber + 1}`}`;
    hits.set(where, (hits.get(where) ?? 0) + hitCount);
  }
  const total = [...hits.values()].reduce((sum, count) => sum + count, 0);
  return [...hits]
    .map(([where, count]) => ({ where, percent: (count / total) * 100 }))
    .sort((a, b) => b.percent - a.percent);
}

/** Measures one round of each line of Weft, and gives, as text, where the time of its sidecars goes. */
export async function profileScenario(scenario: Scenario, stage: Stage, pace: Pace): Promise<string> {
  const parts: string[] = [];
  for (const [index, contender] of scenario.contenders.entries()) {
    if (contender.inspected === undefined || missing(scenario, contender).length > 0) continue;
    pace.note(`${scenario.name}: ${contender.name}: profile`);
    const title = `### ${scenario.name}: ${contender.name}`;
    try {
      const folder = join(stage.rig.folder, `profile-${scenario.name}-${index}`);
      mkdirSync(folder);
      const inspected = contender.inspected({ nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`] });
      parts.push(
        ...(await profileContender(scenario, inspected, stage, pace, folder)).map((one) => `${title}: ${one}`),
      );
    } catch (error) {
      parts.push(`${title}: no profile: ${(error as Error).message}\n`);
    }
  }
  return parts.join('\n');
}

async function profileContender(
  scenario: Scenario,
  contender: Contender,
  { rig, origins, certificates }: Stage,
  { seconds }: Pace,
  folder: string,
): Promise<readonly string[]> {
  const { app } = contender;
  const origin = await origins.of(app);
  const ended: Started[] = [];
  await rig.undo(async () => {
    const path = await contender.start({ rig, origins, certificates });
    ended.push(...path.processes);
    await scenario.measure({ rig, path, app, origin, seconds }, contender);
    // Told to end, not killed: the profile is written last.
    for (const started of path.processes) await started.stop('SIGTERM');
  });
  return ended.map((started) => {
    // CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile
    const file = readdirSync(folder).find((name) => name.split('.')[3] === String(started.pid));
    if (file === undefined) throw new Error(`${started.name} left no profile: ${gist(started.output())}`);
    const top = selfTimes(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile).slice(0, 40);
    const lines = top.map(({ where, percent }) => `${percent.toFixed(1).padStart(6)} %  ${where}`);
    return [`self time of ${started.name} while not idle`, '', ...lines, ''].join('\n');
  });
}
