/**
 * What a sidecar does when it gets more than it can carry: less for each caller first, then nothing for new ones, then an
 * end to what costs most, so that the process lives and most of what is under way is finished.
 */
import type { Clock } from '../../lib/clock.ts';
import { type ErrorCode, errors } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Reply } from '../../policies/policy.ts';
import type { OverloadStats } from '../telemetry/telemetry.ts';
import type { Limits } from './limits.ts';
import { Pressure } from './pressure.ts';
import type { Readings } from './readings.ts';

/** Rungs of the ladder, by what happens from there on. */
export const CLOSING = 1;
export const REFUSING = 2;

const SAMPLE_MS = 100;
/** How long the loop must have been late without a break: one collection of garbage is no overload. */
const LATE_FOR_MS = 1000;
/** Garbage is collected for the sake of a reading this seldom, and in a twentieth of the time at most. */
const COLLECT_MS = 1000;
const COLLECT_SHARE = 20;

/** What the data path looks at. */
export interface Overload {
  /** 0: none; see the rungs. Read for each request, so that it is a plain field. */
  readonly level: number;
  /** What requests are answered with from REFUSING on. */
  readonly refusal: Reply;
}

/** What can be done about it. Called within a turn of the loop. */
export interface Relief {
  /** Ends connections that rest, and each of the others behind what it carries now. */
  closeIdle(): void;
  /** Resets what holds most memory. Gives how many there were. */
  shed(): number;
}

const refusal = (code: ErrorCode): Reply =>
  Object.freeze({ code, status: errors[code].http, headers: [['retry-after', '1']] as const, policy: '' });
const refusals = { memory: refusal('OVERLOAD_MEMORY'), delay: refusal('OVERLOAD_DELAY') };

const effects = [
  'all is carried again',
  'connections end behind their answers',
  'new requests and connections are refused',
  'new requests and connections are refused, and what holds most memory is reset',
];

/** What a rung means, for people. */
export const overloadText = (level: number): string => `overloaded, so ${effects[level]}`;

/** Begins to look at the readings, ten times a second. */
export function startOverload(options: {
  readonly limits: Limits;
  readonly read: Readings;
  /** Collects garbage now; absent where the process was not started so that it can. */
  readonly collect?: (() => void) | undefined;
  readonly relief: Relief;
  readonly stats: OverloadStats;
  readonly clock: Clock;
  readonly log: Log;
}): Overload & { close(): void } {
  const { limits, read, collect, relief, stats, clock, log } = options;
  const memory = new Pressure(limits.overloadMemory, 0, 0.97);
  const delay = new Pressure(limits.overloadDelayMs, LATE_FOR_MS, 1);
  let collectMs = 0;
  /** Exchanges since the last line of the log. */
  let shed = 0;
  const overload = { level: 0, refusal: refusals.memory, close: () => cancel() };

  const look = (): void => {
    cancel = clock.after(SAMPLE_MS, look);
    const nowMs = clock.now();
    let reading = read();
    if (collect !== undefined && reading.memory >= limits.overloadMemory[0] && nowMs >= collectMs) {
      // What is used may be garbage. Nothing may be left that would ever make V8 collect it, once all is refused.
      collect();
      collectMs = nowMs + Math.max(COLLECT_MS, (clock.now() - nowMs) * COLLECT_SHARE);
      reading = { memory: read().memory, lateMs: reading.lateMs };
    }
    const before = overload.level;
    const memoryBefore = memory.level;
    const byMemory = memory.read(nowMs, reading.memory);
    const byDelay = delay.read(nowMs, reading.lateMs);
    overload.level = Math.max(byMemory, byDelay);
    overload.refusal = byMemory >= byDelay ? refusals.memory : refusals.delay;
    // Connections that rest hold memory and cost no time; to open them again would.
    if (memoryBefore < CLOSING && byMemory >= CLOSING) relief.closeIdle();
    // By the reading: the rung comes down late, and what is under way by then should live.
    if (reading.memory >= limits.overloadMemory[2]) shed += relief.shed();
    if (overload.level === before) return;
    stats.level(overload.level);
    const fields = {
      rung: overload.level,
      effect: effects[overload.level] ?? '',
      memory: `${Math.round(reading.memory * 100)} %`,
      lateMs: Math.round(reading.lateMs),
      shed,
    };
    shed = 0;
    if (overload.level > before) log.warn('overload', fields);
    else log.info('overload', fields);
  };
  let cancel = clock.after(SAMPLE_MS, look);
  return overload;
}
