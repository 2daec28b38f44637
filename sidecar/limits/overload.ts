/**
 * What a sidecar does when it gets more than it can carry: less for each caller first, then nothing for new ones, then an
 * end to what costs most, so that the process lives and most of what is under way is finished.
 */
import type { Clock } from '../../lib/clock.ts';
import { type ErrorCode, errors } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Reply } from '../../policies/policy.ts';
import type { Loop } from '../net/loop.ts';
import type { OverloadStats } from '../telemetry/telemetry.ts';
import type { Limits } from './limits.ts';
import { Pressure } from './pressure.ts';
import type { Readings } from './readings.ts';

/** Rungs of the ladder, by what happens from there on. */
export const CLOSING = 1;
export const REFUSING = 2;

const SAMPLE_MS = 100;
/** When memory is near its first rung: what is left may be gone within a tenth of a second. */
const NEAR = 0.8;
const NEAR_SAMPLE_MS = 20;
/** How long the loop must have been late without a break: one collection of garbage is no overload. */
const LATE_FOR_MS = 1000;
/** Garbage is collected for the sake of a reading this seldom, and in a twentieth of the time at most. */
const COLLECT_MS = 250;
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

interface Parts {
  readonly limits: Limits;
  readonly read: Readings;
  readonly loop: Pick<Loop, 'alarmMs' | 'onAlarm'>;
  /** Collects garbage now; absent where the process was not started so that it can. */
  readonly collect?: (() => void) | undefined;
  readonly relief: Relief;
  readonly stats: OverloadStats;
  readonly clock: Clock;
  readonly log: Log;
}

/** Begins to look at the readings, ten times a second. */
export const startOverload = (parts: Parts): Overload & { close(): void } => new Ladder(parts);

class Ladder implements Overload {
  level = 0;
  refusal = refusals.memory;
  readonly #parts: Parts;
  readonly #memory: Pressure;
  readonly #delay: Pressure;
  /** The worst since the delay was last judged. */
  #lateMs = 0;
  /** Monotonic ms from which on the delay is judged, garbage is collected and exchanges are shed again. */
  #delayDueMs = 0;
  #collectDueMs = 0;
  #shedDueMs = 0;
  /** Exchanges since the last line of the log. */
  #shed = 0;
  #cancel: () => void;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#memory = new Pressure(parts.limits.overloadMemory, 0, 0.97);
    this.#delay = new Pressure(parts.limits.overloadDelayMs, LATE_FOR_MS, 1);
    this.#cancel = parts.clock.after(SAMPLE_MS, this.#look);
    parts.loop.onAlarm = () => {
      this.#cancel();
      this.#look();
    };
  }

  close(): void {
    this.#cancel();
    this.#parts.loop.alarmMs = Number.POSITIVE_INFINITY;
  }

  readonly #look = (): void => {
    const { limits, loop, clock, relief } = this.#parts;
    const nowMs = clock.now();
    // Not again by what is done about it.
    loop.alarmMs = Number.POSITIVE_INFINITY;
    const used = this.#usedMemory(nowMs);
    const [closing, , shedding] = limits.overloadMemory;
    const nextMs = used < closing * NEAR ? SAMPLE_MS : NEAR_SAMPLE_MS;
    this.#cancel = clock.after(nextMs, this.#look);

    const rested = this.#memory.level < CLOSING;
    const byMemory = this.#memory.read(nowMs, used);
    const lateMs = this.#lateMs;
    const byDelay = this.#judgeDelay(nowMs);
    // Connections that rest hold memory and cost no time; to open them again would.
    if (rested && byMemory >= CLOSING) relief.closeIdle();
    // By the reading: the rung comes down late, and what is under way by then should live.
    if (used >= shedding && nowMs >= this.#shedDueMs) {
      this.#shed += relief.shed();
      // What it was good for shows in the next collection.
      this.#shedDueMs = Math.max(nowMs + SAMPLE_MS, this.#collectDueMs);
    }
    this.refusal = byMemory >= byDelay ? refusals.memory : refusals.delay;
    this.#reach(Math.max(byMemory, byDelay), used, lateMs);
    loop.alarmMs = nowMs + nextMs;
  };

  /** The used share. It may be garbage, and once all is refused nothing may be left that would make V8 collect it. */
  #usedMemory(nowMs: number): number {
    const { limits, collect, clock } = this.#parts;
    const used = this.#read();
    if (collect === undefined || used < limits.overloadMemory[0] || nowMs < this.#collectDueMs) return used;
    collect();
    this.#collectDueMs = nowMs + Math.max(COLLECT_MS, (clock.now() - nowMs) * COLLECT_SHARE);
    return this.#read();
  }

  #read(): number {
    const { memory, lateMs } = this.#parts.read();
    this.#lateMs = Math.max(this.#lateMs, lateMs);
    return memory;
  }

  /** Not more often than the loop can tell that it was late. */
  #judgeDelay(nowMs: number): number {
    if (nowMs < this.#delayDueMs) return this.#delay.level;
    this.#delayDueMs = nowMs + SAMPLE_MS;
    const lateMs = this.#lateMs;
    this.#lateMs = 0;
    return this.#delay.read(nowMs, lateMs);
  }

  #reach(level: number, used: number, lateMs: number): void {
    const before = this.level;
    if (level === before) return;
    this.level = level;
    const { stats, log } = this.#parts;
    stats.level(level);
    const fields = {
      rung: level,
      effect: effects[level] ?? '',
      memory: `${Math.round(used * 100)} %`,
      lateMs: Math.round(lateMs),
      shed: this.#shed,
    };
    this.#shed = 0;
    if (level > before) log.warn('overload', fields);
    else log.info('overload', fields);
  }
}
