import { z } from 'zod';
import { exit, Failure } from '../failure.ts';

const patienceMs = 30_000;
const schema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('listening') }).catchall(z.unknown()),
  z.object({ event: z.literal('control_plane.waits'), problem: z.string() }),
]);

export type Addresses = Readonly<Record<string, unknown>>;

/** Waits for the line in which a daemon says that it listens, and where. */
export interface ListeningLine {
  /**
   * Rejects with Failure when it takes too long, when `fail` was called, or when the daemon says that it waits for
   * something: a person at a terminal is told so rather than left to wait.
   */
  readonly first: Promise<Addresses>;
  readonly onLine: (line: string) => void;
  readonly fail: (why: string) => void;
}

export function listeningLine(): ListeningLine {
  const { promise, resolve, reject } = Promise.withResolvers<Addresses>();
  const fail = (why: string): void => reject(new Failure(exit.no, why));
  const timer = setTimeout(() => fail(`it did not listen within ${patienceMs / 1000}s`), patienceMs);
  // What is waited for keeps the process going, not the wait: a start that is broken off ends at once.
  timer.unref();
  const end = (): void => clearTimeout(timer);
  promise.then(end, end);
  return {
    first: promise,
    fail,
    onLine(line) {
      if (!line.startsWith('{')) return;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch (error) {
        if ((error as Error).name === 'SyntaxError') return;
        throw error;
      }
      const parsed = schema.safeParse(value);
      if (!parsed.success) return;
      if (parsed.data.event === 'listening') resolve(parsed.data);
      else fail(parsed.data.problem);
    },
  };
}
