/** Why an app cannot take requests. */
export interface Problem {
  /** Goes on: `the app …`. */
  readonly text: string;
  /** Nobody is there, so that asking again is of no use: it is down. */
  readonly gone: boolean;
}

/** The app is not there. */
export const refused: Problem = { text: 'does not take connections', gone: true };

/** What became of a question that got no answer. */
export function problemOf(error: NodeJS.ErrnoException, signal: AbortSignal, question: string): Problem {
  if (signal.aborted) return { text: `did not answer ${question} in time`, gone: false };
  // A stream of HTTP/2 knows the reason of its session as its cause.
  const why = (error.cause ?? error) as NodeJS.ErrnoException;
  if (why.syscall === 'connect') return refused;
  return { text: `broke off ${question}: ${error.message}`, gone: false };
}
