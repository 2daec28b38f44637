import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rig } from '../rig.ts';
import { graceS, host, type Load } from './load.ts';

/**
 * How the 16 connections are kept from asking in step: spread evenly over the interval, or each by chance by up to a tenth
 * of it. Published numbers use the one or the other.
 */
export type Spreading = 'uniform' | 'jitter';

/** 1000 requests a second over 16 connections, answers of 1 kB; a late answer does not slow the others down. */
export async function fortio(rig: Rig, port: number, seconds: number, spreading: Spreading): Promise<Load> {
  const file = join(rig.folder, 'fortio.json');
  const shape = ['-qps', '1000', '-c', '16', '-t', `${seconds}s`, `-${spreading}`, '-nocatchup'];
  const report = ['-r', '0.00001', '-p', '50,99', '-quiet', '-json', file];
  const args = ['load', ...shape, ...report, '-H', `Host: ${host}`, `http://127.0.0.1:${port}/1k`];
  await rig.run('fortio', args, 'load', seconds + graceS);
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
