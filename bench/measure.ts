import { setTimeout as delay } from 'node:timers/promises';
import { allocationRate, type Collection } from './heap.ts';
import { type Bulk, bulk } from './load/bulk.ts';
import { fortio, type Spreading } from './load/fortio.ts';
import { grpcLoad, h2load, manyStreams, streamsAtOnce } from './load/h2load.ts';
import { hold } from './load/hold.ts';
import { graceS, type Load } from './load/load.ts';
import { wrk } from './load/wrk.ts';
import type { Sample } from './metrics.ts';
import { type App, heldMs, type Origin } from './origins/origins.ts';
import type { Path } from './peers/peer.ts';
import { cpuTime, fileLimit, forgetPeak, memory, peakMib } from './proc.ts';
import { gist, type Rig } from './rig.ts';

/** A run that says nothing; the message says why. */
export class InvalidRun extends Error {}

/** With what the proxies themselves said, if anything but that they are there. */
function invalid(problems: readonly string[], path: Path): InvalidRun {
  const said = path.processes
    .map(({ name, output }) => ({ name, text: gist(output()) }))
    .filter(({ text }) => text !== '' && !text.includes('"event":"listening"'))
    .map(({ name, text }) => `${name} said: ${text}`);
  return new InvalidRun([...problems, ...said].join('; '));
}

/** One round of one contender. */
export interface Round {
  readonly rig: Rig;
  readonly path: Path;
  readonly app: App;
  readonly origin: Origin;
  readonly seconds: number;
}

const mib = 1024 * 1024;
const body1m = { over: 'http', size: mib, connections: 16 } as const;
const body100m = { over: 'http', size: 100 * mib, connections: 4 } as const;
const octets = { over: 'tcp', size: 64 * mib, connections: 4 } as const;

/** How each app is kept busy: as fast as its answers come. */
const generators: Readonly<Record<App, (rig: Rig, port: number, seconds: number) => Promise<Load>>> = {
  web: wrk,
  h2: h2load,
  grpc: grpcLoad,
  held: (rig, port, seconds) =>
    manyStreams(rig, port, (streamsAtOnce * seconds * 1000) / heldMs, 10 * seconds + graceS),
  bodies: (rig, port, seconds) => bulk(rig, port, seconds, { ...body1m, direction: 'down' }),
  octets: (rig, port, seconds) => bulk(rig, port, seconds, { ...octets, direction: 'down' }),
};

/** Of the calls for which a contender is warmed up, so many are enough where each is worth many, or takes long. */
const warmUpShare: Readonly<Record<App, number>> = { web: 1, h2: 1, grpc: 1, held: 0.2, bodies: 0.05, octets: 0.002 };

/** Load until that many requests were answered. By number, not by time: a JIT counts calls, and a busy machine makes few. */
export async function warmUp({ rig, path, app }: Omit<Round, 'seconds'>, requests: number, limitS: number) {
  const step = 2;
  for (let done = 0, spent = 0; done < requests * warmUpShare[app] && spent < limitS; spent += step) {
    const load = await generators[app](rig, path.port, step);
    if (load.problems.length > 0) throw invalid(load.problems, path);
    done += load.requests;
  }
}

interface Loaded {
  readonly load: Load;
  readonly userUs: number;
  readonly sysUs: number;
  readonly elapsedUs: number;
}

/** Puts load on a path, and gives what all its proxies spent meanwhile. Throws an InvalidRun when the load was not answered well. */
async function underLoad({ path }: Round, fewest: number, generate: () => Promise<Load>): Promise<Loaded> {
  const pids = path.processes.map((process) => process.pid);
  for (const process of path.processes) process.check();
  const before = cpuTime(pids);
  const begin = performance.now();
  const load = await generate();
  const elapsedUs = (performance.now() - begin) * 1000;
  for (const process of path.processes) process.check();
  const after = cpuTime(pids);
  const problems = [...load.problems];
  if (load.requests < fewest) problems.push(`${load.requests} requests only`);
  if (problems.length > 0) throw invalid(problems, path);
  return { load, userUs: after.userUs - before.userUs, sysUs: after.sysUs - before.sysUs, elapsedUs };
}

/** Below this, start-up of the connections weighs too much, or the requests did not go where they should. */
const fewestRequests = 1000;

/** The cost of a request, and all else that every load tells. */
async function perRequest(round: Round, generate: () => Promise<Load>, fewest = fewestRequests): Promise<Sample> {
  const { load, userUs, sysUs, elapsedUs } = await underLoad(round, fewest, generate);
  const { requests, requestsPerSecond, p50Ms, p99Ms, meanMs, slowestMs } = load;
  const sample: Sample = { rate: requestsPerSecond };
  for (const [name, value] of Object.entries({ p50Ms, p99Ms, meanMs, slowestMs }))
    if (value !== undefined) sample[name as 'p50Ms'] = value;
  const pids = round.path.processes.map((process) => process.pid);
  if (pids.length > 0)
    Object.assign(sample, {
      cpuUs: (userUs + sysUs) / requests,
      userUs: userUs / requests,
      sysUs: sysUs / requests,
      busyPercent: ((userUs + sysUs) / elapsedUs) * 100,
      ...memory(pids),
    });
  return sample;
}

/** As fast as answers come, small answers. */
export const saturated = (round: Round): Promise<Sample> =>
  perRequest(round, () => generators[round.app](round.rig, round.path.port, round.seconds));

/** 1000 requests a second, answers of 1 kB; once spread evenly, which gives the cost too, and once with jitter. */
export async function constantRate(round: Round): Promise<Sample> {
  // All connections are there after a few milliseconds, so a second's worth is enough.
  const run = (spreading: Spreading): Promise<Sample> =>
    perRequest(round, () => fortio(round.rig, round.path.port, round.seconds, spreading), 900);
  const uniform = await run('uniform');
  const jitter = await run('jitter');
  return { ...uniform, jitterP99Ms: jitter.p99Ms! };
}

/** Memory of a fresh process that has answered once and then had nothing to do, and how long it took to be there. */
export async function idle({ path }: Round): Promise<Sample> {
  await delay(1500);
  for (const process of path.processes) process.check();
  return { readyMs: path.readyMs, ...memory(path.processes.map((process) => process.pid)) };
}

/** Bytes of JS heap for each request, in that proxy of the path that needs most. `collections` grows while the load runs. */
export async function heapPerRequest(round: Round, collections: Collection[]): Promise<Sample> {
  collections.length = 0;
  const sample = await saturated(round);
  const rates = round.path.processes.map(({ name, pid }) => {
    const rate = allocationRate(collections, pid);
    if (rate === undefined) throw new InvalidRun(`too few garbage collections in ${name}`);
    return rate;
  });
  return { heapBytes: Math.max(...rates) / sample.rate!, rate: sample.rate!, cpuUs: sample.cpuUs! };
}

/** Megabytes (10^6) of bodies for each second of CPU of all proxies in the path, and for each second. */
async function throughput(round: Round, what: Bulk): Promise<{ readonly perCpuS: number; readonly perS: number }> {
  const generate = () => bulk(round.rig, round.path.port, round.seconds, what);
  const { load, userUs, sysUs, elapsedUs } = await underLoad(round, 1, generate);
  return { perCpuS: load.octets! / (userUs + sysUs), perS: load.octets! / elapsedUs };
}

/** Octets through a path, one direction after the other. */
export async function octetsBothWays(round: Round): Promise<Sample> {
  const down = await throughput(round, { ...octets, direction: 'down' });
  const up = await throughput(round, { ...octets, direction: 'up' });
  return { down: down.perCpuS, downMbPerS: down.perS, up: up.perCpuS, upMbPerS: up.perS };
}

/**
 * Bodies of two sizes in both directions; and by how much the memory of a proxy (the one of the path that grew most) was
 * at its peak above what it had before the first round. `before` holds that, by pid.
 */
export async function bodiesBothWays(round: Round, before: Map<number, number>): Promise<Sample> {
  const pids = round.path.processes.map((process) => process.pid);
  for (const pid of pids) if (!before.has(pid)) before.set(pid, memory([pid]).rssMib);
  for (const pid of pids) forgetPeak(pid);
  const run = async (what: Bulk) => (await throughput(round, what)).perCpuS;
  const sample: Sample = {
    down1m: await run({ ...body1m, direction: 'down' }),
    up1m: await run({ ...body1m, direction: 'up' }),
    down100m: await run({ ...body100m, direction: 'down' }),
    up100m: await run({ ...body100m, direction: 'up' }),
  };
  return { ...sample, growthMib: Math.max(...pids.map((pid) => peakMib(pid) - before.get(pid)!)) };
}

const idleConnections = 10_000;

/** Memory of a proxy that holds many connections, each of which has asked once. */
export async function manyConnections({ rig, path }: Round): Promise<Sample> {
  const needed = idleConnections + 1000;
  if (fileLimit() < needed) throw new InvalidRun(`ulimit -Hn is ${fileLimit()}; ${needed} are needed`);
  const pids = path.processes.map((process) => process.pid);
  const before = memory(pids).rssMib;
  const { seen, report } = await hold(rig, { port: path.port, connections: idleConnections, limitS: 90 }, () =>
    memory(pids),
  );
  if (report.problems.length > 0) throw invalid(report.problems, path);
  return {
    ...seen,
    kibPerConnection: ((seen.rssMib - before) * 1024) / idleConnections,
    rate: (report.answered / report.tookMs) * 1000,
  };
}

/** Streams at once, each held open for a second by the app. A request that fails is a result here, not an invalid run. */
export async function streams(round: Round): Promise<Sample> {
  round.origin.mostOpen = 0;
  let failed = 0;
  const sample = await perRequest(round, async () => {
    const load = await generators.held(round.rig, round.path.port, Math.max(2, round.seconds));
    failed = load.failed!;
    return { ...load, problems: [] };
  });
  return { ...sample, failed, mostOpen: round.origin.mostOpen };
}
