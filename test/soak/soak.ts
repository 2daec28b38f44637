import { setTimeout as pause } from 'node:timers/promises';
import { type Held, held } from './inspect.ts';
import { DRAIN_MS, type Part, type Rig, startRig } from './rig.ts';
import { type Failure, kinds, startTraffic, type Traffic } from './traffic.ts';

export interface Verdict {
  readonly good: boolean;
  /** What was done, what failed, and what is left, for people. */
  readonly lines: readonly string[];
}

interface Restart {
  readonly part: string;
  readonly signal: 'SIGTERM' | 'SIGKILL';
  readonly from: number;
  readonly to: number;
}

/** Between two restarts, in ms. */
const CALM_MS = 1000;
/** After a process was killed, others may send to it before the kernel tells them. */
const UNNOTICED_MS = 250;
/** After which a client that found nobody has tried to connect again at the latest. */
const AGAIN_MS = 2000;

/** What is on its way out may take this long to be gone, in ms. */
const REST_MS = 15_000;

/** What may be more after the run than after the warm-up: pools and caches breathe, leaks go on. */
const slack: Readonly<Record<keyof Held, number>> = {
  sockets: 6,
  wires: 6,
  sessions: 4,
  exchanges: 0,
  streams: 0,
  watched: 6,
  timers: 2,
  inFlight: 0,
  heapMB: 4,
  outsideMB: 4,
  rssMB: 24,
};

/** Restarts one part after the other until told to end. Each part meets both signals, in turns. */
async function unrest(parts: readonly Part[], restarts: Restart[], until: AbortSignal): Promise<void> {
  for (let n = 0; !until.aborted; n++) {
    await pause(CALM_MS);
    const part = parts[n % parts.length]!;
    const signal = (n + Math.floor(n / parts.length)) % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
    const from = performance.now();
    await part.restart(signal);
    restarts.push({ part: part.name, signal, from, to: performance.now() });
  }
}

/** A failure is excused by the end of a process that it was under way on, and by the absence of its own sidecar. */
function excused(failure: Failure, restarts: readonly Restart[]): boolean {
  return restarts.some(({ part, signal, from, to }) => {
    // What is under way when a process is told to end is finished, for as long as it has time.
    const over = signal === 'SIGKILL' ? from : from + DRAIN_MS;
    if (part === 'changing' && failure.door === 'restarted' && failure.to >= from) {
      // Whoever comes meanwhile finds nobody, also when it had made up its mind before, and looks again after a while.
      if (/ECONNREFUSED/.test(failure.reason)) return failure.from <= to + AGAIN_MS;
      if (failure.from >= from) return failure.from <= to;
      // REFUSED_STREAM is what a client calls a request that it had not sent yet when it was told to send no more.
      return failure.to >= over || /REFUSED_STREAM/.test(failure.reason);
    }
    if (signal === 'SIGTERM' && failure.from <= from && failure.to >= over && failure.to <= to) return true;
    // A connection is accepted before it is known whether the app behind it is there, and TCP cannot be sent again.
    if (part.startsWith('app') && failure.kind === 'TCP') return failure.from <= to && failure.to >= from;
    // An app that ends in order may have been sent a request already that it does not look at.
    const abrupt = signal === 'SIGKILL' || part.startsWith('app');
    return abrupt && failure.from <= from + UNNOTICED_MS && failure.to >= from;
  });
}

/** What happened around a failure, for people. */
function around({ from, to }: Failure, restarts: readonly Restart[]): string {
  const near = restarts.filter((one) => one.from <= to && one.to >= from - 3000);
  const ms = (time: number): string => `${Math.round(time - from)}`;
  const told = near.map((one) => `${one.part} ${one.signal} from ${ms(one.from)} to ${ms(one.to)} ms`);
  return `(took ${ms(to)} ms; ${told.join(', ') || 'no restart'})`;
}

async function run(rig: Rig, forMs: number, restarts: Restart[]): Promise<Traffic> {
  const traffic = startTraffic(rig.doors);
  const end = new AbortController();
  const restarting = unrest(rig.restarted, restarts, end.signal);
  await Promise.race([pause(forMs), restarting]);
  end.abort();
  await restarting;
  await traffic.stop();
  return traffic;
}

/** What each measured sidecar holds once nothing is under way and nothing more is let go. */
async function rest(rig: Rig): Promise<ReadonlyMap<string, Held>> {
  const all = await Promise.all(rig.measured.map(atRest));
  return new Map(rig.measured.map(({ name }, i) => [name, all[i]!]));
}

async function atRest(part: Part): Promise<Held> {
  const end = performance.now() + REST_MS;
  for (let last = await held(part); ; ) {
    await pause(500);
    const now = await held(part);
    const still = now.sockets === last.sockets && now.wires === last.wires && now.watched === last.watched;
    const idle = now.inFlight === 0 && now.exchanges === 0 && now.streams === 0;
    if ((still && idle) || performance.now() > end) return now;
    last = now;
  }
}

function compare(
  before: ReadonlyMap<string, Held>,
  after: ReadonlyMap<string, Held>,
): { good: boolean; lines: string[] } {
  const lines: string[] = [];
  let good = true;
  for (const [name, then] of before) {
    const now = after.get(name)!;
    const facts = (Object.keys(slack) as (keyof Held)[]).map((what) => {
      const fine = now[what] <= then[what] + slack[what];
      good &&= fine;
      return `${what} ${then[what]} → ${now[what]}${fine ? '' : ` (more than ${slack[what]} more)`}`;
    });
    lines.push(`${name}: ${facts.join(', ')}`);
  }
  return { good, lines };
}

/** Counts by a text, most first. */
function tally(texts: Iterable<string>): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([text, count]) => `  ${count} × ${text}`);
}

/**
 * Mixed traffic through a mesh whose processes are restarted, for so many ms: nothing fails but what was under way on a
 * process that was killed, and in the end the sidecars hold no more than after the first quarter.
 */
export async function soak(forMs: number, say: (line: string) => void = () => {}): Promise<Verdict> {
  await using rig = await startRig();
  const restarts: Restart[] = [];
  const warmUp = await run(rig, forMs / 4, restarts);
  const before = await rest(rig);
  say('warmed up');
  const main = await run(rig, (forMs * 3) / 4, restarts);
  const after = await rest(rig);

  const failures = [...warmUp.failures, ...main.failures];
  const unexcused = failures.filter((failure) => !excused(failure, restarts));
  const never = kinds.filter(({ name }) => !main.done.has(name)).map(({ name }) => name);
  const left = compare(before, after);
  const text = ({ kind, door, reason }: Failure): string =>
    `${kind}, through the sidecar that ${door === 'stays' ? door : 'is restarted'}: ${reason}`;
  return {
    good: unexcused.length === 0 && never.length === 0 && left.good,
    lines: [
      'done, by kind:',
      ...kinds.map(({ name }) => `  ${main.done.get(name) ?? 0} × ${name}`),
      'restarts:',
      ...tally(restarts.map(({ part, signal }) => `${part} ${signal}`)),
      `failed while the process was killed that it was under way on: ${failures.length - unexcused.length}`,
      ...tally(failures.filter((failure) => !unexcused.includes(failure)).map(text)),
      `failed otherwise: ${unexcused.length}`,
      ...tally(unexcused.map((failure) => `${text(failure)} ${around(failure, restarts)}`)),
      ...(never.length === 0 ? [] : [`never succeeded: ${never.join(', ')}`]),
      'held by sidecars that were not restarted, after a quarter of the time and at the end:',
      ...left.lines.map((line) => `  ${line}`),
    ],
  };
}
