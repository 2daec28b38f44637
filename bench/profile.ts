import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { saturated } from './measure.ts';
import type { Contender, Stage } from './peers/peer.ts';
import { type Inspect, weftInbound, weftMtls, weftOutbound } from './peers/weft.ts';

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

/** Puts load on each role of the sidecar and gives, as text, where its time goes. */
export async function profileSidecars(stage: Stage, seconds: number): Promise<string> {
  const makers: readonly ((inspect: Inspect) => Contender)[] = [weftInbound, weftOutbound, weftMtls];
  const parts: string[] = [];
  for (const [index, make] of makers.entries()) {
    const folder = join(stage.rig.folder, `profile-${index}`);
    mkdirSync(folder);
    const path = await make({ nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`] }).start(stage);
    await saturated(stage.rig, path, seconds);
    for (const started of path.processes) await started.stop('SIGTERM');
    for (const started of path.processes) {
      // CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile
      const file = readdirSync(folder).find((name) => name.split('.')[3] === String(started.pid));
      if (file === undefined) throw new Error(`${started.name} left no profile: ${started.output()}`);
      const top = selfTimes(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile).slice(0, 40);
      const lines = top.map(({ where, percent }) => `${percent.toFixed(1).padStart(6)} %  ${where}`);
      parts.push(`### ${started.name}, self time while not idle`, '', ...lines, '');
    }
  }
  return parts.join('\n');
}
