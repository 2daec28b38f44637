/** Aborts when a user or the system asks us to end. A second Ctrl-C does not wait for anything. */
export function untilToldToEnd(): AbortSignal {
  const ended = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (ended.signal.aborted) process.exit(130);
      ended.abort();
    });
  return ended.signal;
}
