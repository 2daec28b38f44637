import { setTimeout as delay } from 'node:timers/promises';
import { allocationRate, type Collection } from './heap.ts';
import { fortio, type Load, wrk } from './load.ts';
import type { Sample } from './metrics.ts';
import type { Path } from './peers/peer.ts';
import { cpuTime, memory } from './proc.ts';
import type { Rig } from './rig.ts';

/** A run that says nothing; the message says why. */
export class InvalidRun extends Error {}

/** Below this, start-up of the connections weighs too much, or the requests did not go where they should. */
const fewestRequests = 1000;

/** Puts load on a path and divides what all its proxies spent by the requests that were answered. */
async function underLoad(path: Path, generate: () => Promise<Load>): Promise<{ load: Load; sample: Sample }> {
  const pids = path.processes.map((process) => process.pid);
  for (const process of path.processes) process.check();
  const before = cpuTime(pids);
  const begin = performance.now();
  const load = await generate();
  const elapsedUs = (performance.now() - begin) * 1000;
  for (const process of path.processes) process.check();
  const after = cpuTime(pids);
  const problems = [...load.problems];
  if (load.requests < fewestRequests) problems.push(`${load.requests} requests only`);
  if (problems.length > 0) throw new InvalidRun(problems.join('; '));
  const userUs = after.userUs - before.userUs;
  const sysUs = after.sysUs - before.sysUs;
  const sample: Sample = { rate: load.requestsPerSecond, p50Ms: load.p50Ms, p99Ms: load.p99Ms };
  if (pids.length > 0)
    Object.assign(sample, {
      cpuUs: (userUs + sysUs) / load.requests,
      userUs: userUs / load.requests,
      sysUs: sysUs / load.requests,
      busyPercent: ((userUs + sysUs) / elapsedUs) * 100,
      ...memory(pids),
    });
  return { load, sample };
}

/** As fast as answers come, small answers. */
export const saturated = async (rig: Rig, path: Path, seconds: number): Promise<Sample> =>
  (await underLoad(path, () => wrk(rig, { port: path.port, path: '/' }, seconds))).sample;

/** Longest warm-up in seconds, for machines so slow or busy that the requests do not come together. */
const longestWarmUp = 30;

/** Load until that many requests were answered. By number, not by time: a JIT counts calls, and a busy machine makes few. */
export async function warmUp(rig: Rig, path: Path, requests: number): Promise<void> {
  const step = 2;
  for (let done = 0, spent = 0; done < requests && spent < longestWarmUp; spent += step)
    done += (await wrk(rig, { port: path.port, path: '/' }, step)).requests;
}

/** 1000 requests a second, answers of 1 kB. */
export const constantRate = async (rig: Rig, path: Path, seconds: number): Promise<Sample> =>
  (await underLoad(path, () => fortio(rig, { port: path.port, path: '/1k' }, seconds))).sample;

/** Memory of a fresh process that has answered once and then had nothing to do, and how long it took to be there. */
export async function idle(path: Path): Promise<Sample> {
  await delay(1500);
  for (const process of path.processes) process.check();
  return { readyMs: path.readyMs, ...memory(path.processes.map((process) => process.pid)) };
}

/** Bytes of JS heap for each request in each proxy of the path. `collections` grows while the load runs. */
export async function heapPerRequest(
  rig: Rig,
  path: Path,
  seconds: number,
  collections: Collection[],
): Promise<Sample> {
  collections.length = 0;
  const { load, sample } = await underLoad(path, () => wrk(rig, { port: path.port, path: '/' }, seconds));
  const rate = allocationRate(collections);
  if (rate === undefined) throw new InvalidRun(`${collections.length} garbage collections only`);
  return { heapBytes: rate / load.requestsPerSecond, rate: load.requestsPerSecond, cpuUs: sample.cpuUs! };
}
