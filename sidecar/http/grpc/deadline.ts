import type { HttpExchange } from '../exchange.ts';
import { grpcTimeoutMs } from './call.ts';

/**
 * How much longer than the caller we wait. Its own clock ends the call first, with a CANCEL that reaches the app: ours
 * is for callers that do not, or that are gone without a word. It began a moment later than the caller's, but by the
 * time of a turn, which may be as much too early; and an app that keeps the deadline itself may still say why.
 */
const GRACE_MS = 50;

/**
 * Bounds a call by what its caller says, from its first octet to its last: unlike the time for a request, which ends
 * with the head of the answer. `grpc-timeout` itself goes on as it came: the app's clock begins as ours does, and all
 * attempts end with the call.
 *
 * Where no policy says anything, the caller alone does, and may want no end: the head of a stream comes with its first
 * message, which the built-in time for the head of an answer knows nothing of. Idle streams end in any case.
 */
export function limitCall(ex: HttpExchange): void {
  ex.callDeadlineMs = ex.startMs + grpcTimeoutMs(ex.head, ex.info) + GRACE_MS;
  ex.deadlineMs = ex.timesFrom === '' ? ex.callDeadlineMs : Math.min(ex.deadlineMs, ex.callDeadlineMs);
}
