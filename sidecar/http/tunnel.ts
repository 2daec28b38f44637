/**
 * Exchanges that go over to another protocol (WebSocket and others), whatever version of HTTP each side speaks. The
 * request has framing `tunnel`; a response that has it too accepts. What the caller sends before that is held.
 */
import type { HttpExchange, Upstream } from './exchange.ts';

/** Status of an accepted tunnel for filters, logs and metrics, also where HTTP/2 says 200. */
export const SWITCHED = 101;

/** True when this response accepts the tunnel that was asked for; any other answer to such a request refuses it. */
export const isAccepted = (ex: HttpExchange, upstream: Upstream): boolean =>
  ex.info.framing === 'tunnel' && upstream.info.framing === 'tunnel';

/**
 * True while octets of the caller must not reach the endpoint: it has not accepted the tunnel, and might take them for
 * another request that nobody has judged. CVE-2025-64763.
 */
export const isHeldBack = (ex: HttpExchange): boolean => ex.info.framing === 'tunnel' && ex.status !== SWITCHED;

/** The tunnel has been accepted: what was held goes out, and from now on only silence ends it. */
export function openTunnel(ex: HttpExchange, upstream: Upstream): void {
  ex.idleTimeoutMs = ex.context.limits.tunnelIdleMs;
  ex.timesFrom = '';
  for (const piece of ex.held) upstream.sendBody(piece, 0, piece.length);
  ex.letGo();
  if (ex.requestDone) endHalf(ex, upstream);
  else ex.downstream.resumeBody();
}

/** The caller has said all. The endpoint may go on, but not rest for long. */
export function endHalf(ex: HttpExchange, upstream: Upstream): void {
  upstream.sendEnd();
  hurry(ex);
}

/** One side has ended: a peer that is merely gone must not hold the other one for as long as a tunnel may rest. */
export function hurry(ex: HttpExchange): void {
  ex.idleTimeoutMs = Math.min(ex.idleTimeoutMs, ex.context.limits.tunnelHalfClosedMs);
}
