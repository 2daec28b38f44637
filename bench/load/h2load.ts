import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { grpcMessage } from '../origins/h2-frames.ts';
import type { Rig } from '../rig.ts';
import { graceS, host, type Load, parseMs } from './load.ts';

const run = async (rig: Rig, port: number, path: string, args: readonly string[], limitS: number): Promise<Load> => {
  const url = `http://127.0.0.1:${port}${path}`;
  return parseH2load(await rig.run('h2load', ['-t', '1', ...args, '-H', `:authority: ${host}`, url], 'load', limitS));
};

const busy = (seconds: number): readonly string[] => ['-c', '8', '-m', '16', '-D', `${seconds}s`];

/** HTTP/2 without TLS: 8 connections with 16 streams each, closed loop, small GET. */
export const h2load = (rig: Rig, port: number, seconds: number): Promise<Load> =>
  run(rig, port, '/', busy(seconds), seconds + graceS);

/** The same with what a unary gRPC call sends. */
export function grpcLoad(rig: Rig, port: number, seconds: number): Promise<Load> {
  const file = join(rig.folder, 'message');
  writeFileSync(file, grpcMessage);
  const fields = ['-d', file, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
  return run(rig, port, grpcMethod, [...busy(seconds), ...fields], seconds + graceS);
}

export const grpcMethod = '/bench.Echo/Call';

/** So many streams open at once: 50 connections with 100 each. */
export const streamsAtOnce = 5000;

/** That number of requests, as many of them at once as there can be, and each to its end. */
export const manyStreams = (rig: Rig, port: number, requests: number, limitS: number): Promise<Load> =>
  run(rig, port, '/', ['-c', '50', '-m', '100', '-n', String(requests)], limitS);

/** Reads what h2load prints. Throws when it is not the report of a run. */
export function parseH2load(text: string): Load {
  const match = (pattern: RegExp): readonly string[] => {
    const found = pattern.exec(text);
    if (found === null) throw new Error(`h2load did not report (no ${pattern.source}): ${text.slice(-300)}`);
    return found;
  };
  const [, total, succeeded] = match(/^requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded/m).map(Number);
  const counts = /, (\d+) failed, (\d+) errored, (\d+) timeout$/m;
  const [, failed, errored, timeout] = match(counts).map(Number);
  const [, , slowest, mean] = match(/^time for request:\s+(\S+)\s+(\S+)\s+(\S+)\s/m);
  const problems = [];
  if (failed! + errored! + timeout! > 0 || succeeded !== total)
    problems.push(`${succeeded} of ${total} requests succeeded; ${match(/^status codes: .*$/m)[0]}`);
  return {
    requests: succeeded!,
    requestsPerSecond: Number(match(/^finished in \S+ ([0-9.]+) req\/s/m)[1]),
    meanMs: parseMs(mean!),
    slowestMs: parseMs(slowest!),
    failed: total! - succeeded!,
    problems,
  };
}
