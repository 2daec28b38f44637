import { connect } from 'node:net';
import type { Address } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';

const EVERY_MS = 1000;
/** An app that is not there is looked for more often, so that a mesh starts and heals fast. */
const MISSING_MS = 100;
const TIMEOUT_MS = 1000;

/**
 * Whether the app beside this sidecar takes connections. An instance whose app is gone leaves the registry before its
 * callers have to find out. `changed` is called with each change, the first included.
 */
export function startAppProbe(
  app: Address,
  clock: Clock,
  changed: (up: boolean) => void,
): { readonly up: () => boolean; close(): void } {
  let up: boolean | undefined;
  let closed = false;
  let cancel = (): void => {};
  let present: ReturnType<typeof connect> | undefined;

  const look = (): void => {
    const socket = connect({ ...app, timeout: TIMEOUT_MS });
    present = socket;
    const done = (now: boolean): void => {
      socket.removeAllListeners('timeout');
      socket.destroy();
      if (closed || present !== socket) return;
      present = undefined;
      const before = up;
      up = now;
      if (before !== now) changed(now);
      cancel = clock.after(now ? EVERY_MS : MISSING_MS, look);
    };
    socket.on('connect', () => done(true));
    socket.on('timeout', () => done(false));
    socket.on('error', () => done(false));
  };
  look();
  return {
    up: () => up === true,
    close() {
      closed = true;
      cancel();
      present?.destroy();
    },
  };
}
