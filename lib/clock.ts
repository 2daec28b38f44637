/** Where time comes from. Injected, so that tests move it by hand. */
export interface Clock {
  /** Monotonic milliseconds, for durations and deadlines; steps of the wall clock do not touch it. */
  now(): number;
  /** Milliseconds since 1970, for logs and certificates. */
  wall(): number;
  /** Runs `fn` once after `ms`. Gives the function that cancels it. Never keeps the process alive. */
  after(ms: number, fn: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export interface ManualClock extends Clock {
  /** Moves time on and runs what is due, in order. */
  advance(ms: number): void;
}

/** A clock for tests that stands still until it is moved. */
export function manualClock(wall = Date.UTC(2026, 0, 1)): ManualClock {
  let now = 0;
  const due: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    wall: () => wall + now,
    after(ms, fn) {
      const entry = { at: now + ms, fn };
      due.push(entry);
      return () => {
        const at = due.indexOf(entry);
        if (at >= 0) due.splice(at, 1);
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        due.sort((a, b) => a.at - b.at);
        const next = due[0];
        if (next === undefined || next.at > end) break;
        due.shift();
        now = Math.max(now, next.at);
        next.fn();
      }
      now = end;
    },
  };
}
