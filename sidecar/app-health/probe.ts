import type { Address } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { checkOf } from './check.ts';
import type { AppHealth } from './options.ts';

/** An app that is not there is looked for more often, so that a mesh starts and heals fast. */
const MISSING_MS = 100;

export interface AppProbe {
  /** Why the app cannot take requests; '' while it can. */
  problem(): string;
  close(): void;
}

/**
 * Whether the app beside this sidecar takes requests. An instance whose app is gone or unwell leaves the registry before
 * its callers have to find out. `changed` is called with each change, the first finding included.
 */
export function startAppProbe(app: Address, health: AppHealth, clock: Clock, changed: () => void): AppProbe {
  const check = checkOf(app, health.check);
  let problem = 'the app has not been asked yet';
  let known = false;
  let failures = 0;
  let closed = false;
  let cancel = (): void => {};

  const look = async (): Promise<void> => {
    const controller = new AbortController();
    const cancelTimeout = clock.after(health.timeoutMs, () => controller.abort());
    cancel = () => {
      cancelTimeout();
      controller.abort();
    };
    const found = await check(controller.signal);
    cancelTimeout();
    if (closed) return;
    failures = found === undefined ? 0 : failures + 1;
    const down = found !== undefined && (found.gone || !known || problem !== '' || failures >= health.failures);
    const before = problem;
    if (found === undefined) problem = '';
    else if (down) problem = `the app ${found.text}`;
    if (!known || before !== problem) {
      known = true;
      changed();
    }
    cancel = clock.after(found?.gone ? Math.min(MISSING_MS, health.intervalMs) : health.intervalMs, () => void look());
  };
  void look();
  return {
    problem: () => problem,
    close() {
      closed = true;
      cancel();
    },
  };
}
