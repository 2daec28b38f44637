import type { Rig } from '../rig.ts';
import { graceS, host, type Load, parseMs } from './load.ts';

/** HTTP/1.1, 64 connections, one thread, closed loop. Its latency is that of a saturated server: good for spotting stalls only. */
export async function wrk(rig: Rig, port: number, seconds: number): Promise<Load> {
  const shape = ['-t', '1', '-c', '64', '-d', `${seconds}s`, '--latency', '-H', `Host: ${host}`];
  return parseWrk(await rig.run('wrk', [...shape, `http://127.0.0.1:${port}/`], 'load', seconds + graceS));
}

/** Reads what wrk prints. Throws when it is not the report of a run. */
export function parseWrk(text: string): Load {
  const match = (pattern: RegExp): RegExpExecArray => {
    const found = pattern.exec(text);
    if (found === null) throw new Error(`wrk did not report (no ${pattern.source}): ${text.slice(0, 300)}`);
    return found;
  };
  const percentile = (name: string): number => parseMs(match(new RegExp(`^\\s+${name}%\\s+(\\S+) *$`, 'm'))[1]!);
  const problems = [];
  const socket = /Socket errors: .*/.exec(text);
  if (socket !== null) problems.push(socket[0]);
  const status = /Non-2xx or 3xx responses: [0-9]+/.exec(text);
  if (status !== null) problems.push(status[0]);
  return {
    requests: Number(match(/^\s+([0-9]+) requests in /m)[1]),
    requestsPerSecond: Number(match(/^Requests\/sec:\s+([0-9.]+)/m)[1]),
    p50Ms: percentile('50'),
    p99Ms: percentile('99'),
    problems,
  };
}
