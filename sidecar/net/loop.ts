import type { Clock } from '../../lib/clock.ts';

/** Somebody with a deadline. Setting it is one assignment; the sweep finds out later, so nothing is armed per request. */
export interface Watched {
  /** Monotonic ms at which `onDeadline` is due; Infinity: never. */
  deadlineMs: number;
  onDeadline(nowMs: number): void;
  /** Place in the loop's list; the loop's own. */
  watchIndex: number;
}

/** A connection with output that waits for the end of the turn. */
export interface Flushable {
  flush(): void;
}

/** A connection that reads. */
export interface Reader {
  /** It does not read before its turn has come. The loop's own. */
  resting: boolean;
  /** Reads on, unless its owner has paused it. */
  readOn(): void;
}

/** How often deadlines are looked at, in ms: a deadline is met this much late at most. */
const SWEEP_MS = 20;

/**
 * Four frames of HTTP/2 that fill a TLS record each (16384 octets, nine of them the head of the frame): what is read at
 * once goes on in four whole records. With 64 KiB there would be a fifth one of a few octets behind each read.
 */
const READ_OCTETS = 4 * (16_384 - 9);
/**
 * Room for one full read and a large frame behind it, so that output seldom outgrows its buffer: a larger one is memory
 * fresh from the system, which costs more than to copy into it.
 */
const OUT_OCTETS = READ_OCTETS + 24 * 1024;
const POOLED = 64;
/** From so much on a read is of something large. Over TLS it is a record at most. */
const BULK_OCTETS = 8 * 1024;
/**
 * So much of large things is read in one turn of the event loop; the rest waits in a line. Otherwise a turn would be as long
 * as there are large answers on their way, at 2 MB each (libuv reads 32 times before it looks at the next connection), and
 * since it accepts one connection in a turn, whoever comes with a small request would wait for thousands of such turns.
 * bench/README.md has what that is worth, and what it costs.
 */
const BULK_TURN_OCTETS = READ_OCTETS;
const VIEWS = 32;

/**
 * What the connections of one thread share: the read buffer (reads are delivered one at a time), output buffers, the
 * time of this turn, and the sweep of deadlines.
 */
export class Loop {
  /** Every read of this thread lands here; what is still needed after the callback must have been copied. */
  readonly readBuffer = Buffer.allocUnsafeSlow(READ_OCTETS);
  readonly clock: Clock;
  /** Monotonic ms, read once for each delivery of octets. */
  nowMs: number;
  readonly #free: Buffer[] = [];
  readonly #views: ({ readonly of: Buffer; readonly octets: Uint8Array } | undefined)[] = new Array(VIEWS).fill(
    undefined,
  );
  /** Filled up to `#dirtyCount`: to shorten an array costs more than to count. */
  #dirty: (Flushable | undefined)[] = [];
  #dirtyCount = 0;
  #spare: (Flushable | undefined)[] = [];
  #depth = 0;
  #flushing = false;
  #late: Flushable[] = [];
  /** What is written now comes in pieces with more behind them, and is flushed late: see markLate. */
  gathering = false;
  #bulkLeft = BULK_TURN_OCTETS;
  #bulkTurn = false;
  #resting: Reader[] = [];
  readonly #watched: Watched[] = [];
  /**
   * Monotonic ms from which on `onAlarm` is called at the end of a turn: also in the midst of very many reads, which
   * timers have to wait for.
   */
  alarmMs = Number.POSITIVE_INFINITY;
  onAlarm: () => void = () => {};
  #sweptMs = 0;
  #lateMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
    this.nowMs = clock.now();
  }

  /** Begins the handling of something that happened. Output is held back until the matching `leave`. */
  enter(): void {
    this.#depth++;
    this.nowMs = this.clock.now();
  }

  leave(): void {
    if (--this.#depth > 0) return;
    if (!this.#flushing && this.#dirtyCount > 0) this.#flushAll();
    if (this.alarmMs <= this.nowMs) this.onAlarm();
  }

  /** Runs `fn` as one turn. For everything that does not come from a read: timers, promises, connects. */
  turn(fn: () => void): void {
    this.enter();
    try {
      fn();
    } finally {
      this.leave();
    }
  }

  get inTurn(): boolean {
    return this.#depth > 0;
  }

  /** To be flushed at the end of the turn. The caller sees to it that it is not in the list twice. */
  markDirty(connection: Flushable): void {
    this.#dirty[this.#dirtyCount++] = connection;
  }

  /**
   * To be flushed once in this turn of the event loop, behind all that it still has to read: for connections that carry
   * many exchanges, so that what all of them say in one turn is one write. Same duty of the caller as with markDirty.
   */
  markLate(connection: Flushable): void {
    if (this.#late.push(connection) === 1) setImmediate(this.#flushLate);
  }

  readonly #flushLate = (): void => {
    this.enter();
    const batch = this.#late;
    this.#late = [];
    for (let i = 0; i < batch.length; i++) batch[i]!.flush();
    this.leave();
  };

  /** Accounts for what a connection has read. True: it must stop reading until it is told to read on. */
  hasReadEnough(reader: Reader, octets: number): boolean {
    if (octets < BULK_OCTETS || reader.resting) return false;
    this.#bulkLeft -= octets;
    this.#nextBulkTurn();
    if (this.#bulkLeft > 0) return false;
    reader.resting = true;
    this.#resting.push(reader);
    return true;
  }

  #nextBulkTurn(): void {
    if (this.#bulkTurn) return;
    this.#bulkTurn = true;
    setImmediate(this.#readOn);
  }

  readonly #readOn = (): void => {
    this.#bulkTurn = false;
    this.#bulkLeft = BULK_TURN_OCTETS;
    const next = this.#resting.shift();
    if (next !== undefined) {
      next.resting = false;
      next.readOn();
    }
    if (this.#resting.length > 0) this.#nextBulkTurn();
  };

  // A write over TLS may deliver a read of the same connection at once; it lands in the list that is being worked on.
  #flushAll(): void {
    this.#flushing = true;
    while (this.#dirtyCount > 0) {
      const batch = this.#dirty;
      const count = this.#dirtyCount;
      this.#dirty = this.#spare;
      this.#dirtyCount = 0;
      for (let i = 0; i < count; i++) {
        batch[i]!.flush();
        // A connection that is gone is not kept from here.
        batch[i] = undefined;
      }
      this.#spare = batch;
    }
    this.#flushing = false;
  }

  takeBuffer(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(OUT_OCTETS);
  }

  /**
   * The first octets of an output buffer, as the system wants them. Kept: a server's messages are often of one length,
   * and a view costs more than to look for one.
   */
  view(buffer: Buffer, length: number): Uint8Array {
    const at = length % VIEWS;
    const kept = this.#views[at];
    if (kept !== undefined && kept.of === buffer && kept.octets.length === length) return kept.octets;
    const octets = buffer.subarray(0, length);
    if (buffer.length === OUT_OCTETS) this.#views[at] = { of: buffer, octets };
    return octets;
  }

  giveBuffer(buffer: Buffer): void {
    if (buffer.length === OUT_OCTETS && this.#free.length < POOLED) this.#free.push(buffer);
  }

  watch(one: Watched): void {
    one.watchIndex = this.#watched.length;
    this.#watched.push(one);
    if (this.#timer === undefined) {
      this.#sweptMs = this.clock.now();
      this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
      this.#timer.unref();
    }
  }

  unwatch(one: Watched): void {
    const index = one.watchIndex;
    if (index < 0) return;
    const last = this.#watched.pop()!;
    if (last !== one) {
      this.#watched[index] = last;
      last.watchIndex = index;
    }
    one.watchIndex = -1;
    if (this.#watched.length === 0) this.#stopTimer();
  }

  #sweep(): void {
    this.enter();
    this.#lateMs = Math.max(this.#lateMs, this.nowMs - this.#sweptMs - SWEEP_MS);
    this.#sweptMs = this.nowMs;
    // Backward, because a deadline may end its owner, which moves the last one (already looked at) into its place.
    for (let i = this.#watched.length - 1; i >= 0; i--) {
      const one = this.#watched[i];
      if (one !== undefined && one.deadlineMs <= this.nowMs) one.onDeadline(this.nowMs);
    }
    this.leave();
  }

  /** How late a sweep was at most since the last call, in ms: so long may whatever happens have to wait for its turn. */
  takeLateMs(): number {
    const late = this.#lateMs;
    this.#lateMs = 0;
    return late;
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.#stopTimer();
    // Some of them may end later, and are not to be looked for then.
    for (const one of this.#watched.splice(0)) one.watchIndex = -1;
  }
}
