// The two load generators: wrk asks as fast as answers come (what does a request cost when busy?), fortio at a constant
// rate whatever the answers do (what does it cost, and how long does it wait, at an everyday rate?).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rig } from './rig.ts';

export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What makes the run worthless, in words; empty when every request was answered with 2xx. */
  readonly problems: readonly string[];
}

export interface Target {
  readonly port: number;
  readonly path: string;
}

/** All contenders get the same octets: the mesh routes by this name, the others ignore it. */
const host = 'Host: web';

/** 64 connections, one thread, closed loop. Its latency is that of a saturated server: good for spotting stalls only. */
export async function wrk(rig: Rig, target: Target, seconds: number): Promise<Load> {
  const url = `http://127.0.0.1:${target.port}${target.path}`;
  return parseWrk(
    await rig.run('wrk', ['-t', '1', '-c', '64', '-d', `${seconds}s`, '--latency', '-H', host, url], 'load'),
  );
}

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** Reads what wrk prints. Throws when it is not the report of a run. */
export function parseWrk(text: string): Load {
  const match = (pattern: RegExp): RegExpExecArray => {
    const found = pattern.exec(text);
    if (found === null) throw new Error(`wrk did not report (no ${pattern.source}): ${text.slice(0, 300)}`);
    return found;
  };
  const percentile = (name: string): number => {
    const [, value, unit] = match(new RegExp(`^\\s+${name}%\\s+([0-9.]+)(us|ms|s|m)$`, 'm'));
    return Number(value) * unitMs[unit!]!;
  };
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

/** 1000 requests a second over 16 connections, spread evenly; a late answer does not slow the others down. */
export async function fortio(rig: Rig, target: Target, seconds: number): Promise<Load> {
  const file = join(rig.folder, 'fortio.json');
  const url = `http://127.0.0.1:${target.port}${target.path}`;
  const shape = ['-qps', '1000', '-c', '16', '-t', `${seconds}s`, '-uniform', '-nocatchup'];
  await rig.run(
    'fortio',
    ['load', ...shape, '-r', '0.00001', '-p', '50,99', '-quiet', '-json', file, '-H', host, url],
    'load',
  );
  return parseFortio(readFileSync(file, 'utf8'), 1000);
}

/** Reads fortio's JSON. A run that could not keep its rate (within 5 %) is worthless too. */
export function parseFortio(json: string, rate: number): Load {
  const report = JSON.parse(json) as {
    ActualQPS: number;
    RetCodes: Record<string, number>;
    DurationHistogram: { Count: number; Percentiles: { Percentile: number; Value: number }[] };
  };
  const percentile = (wanted: number): number => {
    const found = report.DurationHistogram.Percentiles.find((one) => one.Percentile === wanted);
    if (found === undefined) throw new Error(`fortio did not report p${wanted}`);
    return found.Value * 1000;
  };
  const problems = Object.entries(report.RetCodes)
    .filter(([code]) => code !== '200')
    .map(([code, count]) => `${count} answers with status ${code}`);
  if (Math.abs(report.ActualQPS / rate - 1) > 0.05) problems.push(`${report.ActualQPS.toFixed(0)}/s, not ${rate}/s`);
  return {
    requests: report.DurationHistogram.Count,
    requestsPerSecond: report.ActualQPS,
    p50Ms: percentile(50),
    p99Ms: percentile(99),
    problems,
  };
}
