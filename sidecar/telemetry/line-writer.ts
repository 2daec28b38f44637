import { fstatSync, write } from 'node:fs';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

/** Writes all the octets, then calls back; called again only after that. Must not block. */
export type WriteBatch = (octets: Buffer, done: (error?: Error | null) => void) => void;

/** Gathers lines and writes them in batches. */
export interface LineWriter {
  /** Takes one line of ASCII, its end included; gives it up when whoever reads is behind by more than the bound. */
  line(text: string): void;
  /** Lines given up. */
  dropped(): number;
  /** Writes what is there, for at most a second. */
  close(): Promise<void>;
}

/** Octets held, those being written included. */
const maxHeld = 1 << 20;
/** A batch of this size does not wait for the time of its first line. */
const batchOctets = 1 << 16;
const batchMs = 100;
const closeMs = 1000;
const complainMs = 60_000;

export function startLineWriter(options: {
  readonly write: WriteBatch;
  readonly clock: Clock;
  readonly log: Log;
  /** One cell, which counts the lines given up. */
  readonly dropped?: Float64Array;
}): LineWriter {
  const { clock, log, dropped = new Float64Array(1) } = options;
  let held = '';
  let heldLines = 0;
  let writing = 0;
  let writingLines = 0;
  let cancelTimer: (() => void) | undefined;
  let complainedAt = Number.NEGATIVE_INFINITY;
  let drained: (() => void) | undefined;

  const complain = (why: string): void => {
    if (clock.now() - complainedAt < complainMs) return;
    complainedAt = clock.now();
    log.warn('access log lines dropped', { why, dropped: dropped[0]! });
  };

  const flush = (): void => {
    cancelTimer?.();
    cancelTimer = undefined;
    if (writing > 0) return;
    if (held === '') {
      drained?.();
      return;
    }
    const octets = Buffer.from(held, 'latin1');
    writing = octets.length;
    writingLines = heldLines;
    held = '';
    heldLines = 0;
    options.write(octets, (error) => {
      if (error) {
        dropped[0]! += writingLines;
        complain(messageOf(error));
      }
      writing = 0;
      flush();
    });
  };

  return {
    line(text) {
      if (writing + held.length + text.length > maxHeld) {
        dropped[0]!++;
        complain('whoever reads the log is too slow');
        return;
      }
      held += text;
      heldLines++;
      if (held.length >= batchOctets) flush();
      else cancelTimer ??= clock.after(batchMs, flush);
    },
    dropped: () => dropped[0]!,
    close: () =>
      new Promise((resolve) => {
        const cancel = clock.after(closeMs, resolve);
        drained = () => {
          cancel();
          resolve();
        };
        flush();
      }),
  };
}

/** Takes the batches of several writers, one at a time, so that each line stays whole. Holds one batch of each writer. */
export function inTurn(write: WriteBatch): WriteBatch {
  const waiting: { readonly octets: Buffer; readonly done: (error?: Error | null) => void }[] = [];
  let busy = false;
  const next = (): void => {
    const batch = waiting.shift();
    busy = batch !== undefined;
    if (batch === undefined) return;
    write(batch.octets, (error) => {
      batch.done(error);
      next();
    });
  };
  return (octets, done) => {
    waiting.push({ octets, done });
    if (!busy) next();
  };
}

/**
 * Standard output. Files are written by the thread pool; pipes and sockets by Node's stream, which never waits for a
 * reader: a thread that waits there would keep the process from ending.
 */
export function standardOutput(): WriteBatch {
  if (fstatSync(1).isFile()) {
    return function writeFile(octets, done) {
      write(1, octets, (error, written) => {
        if (error || written === octets.length) done(error);
        else writeFile(octets.subarray(written), done);
      });
    };
  }
  // A reader that goes away is told to each write; without a listener it would also end the process.
  process.stdout.on('error', ignoreHere);
  return (octets, done) => void process.stdout.write(octets, done);
}

const ignoreHere = (): void => {};
