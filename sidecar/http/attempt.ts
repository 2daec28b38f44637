/**
 * Attempts: pick an endpoint, lease a connection, send, and decide what its outcome means. All functions run within a
 * turn of the loop. Upstream and downstream call the `on…` functions; `fail` and `finish` are the only ways to end.
 */
import { type ErrorCode, errors, messageOf } from '../../lib/errors.ts';
import { NO_GRPC_STATUS } from '../../lib/grpc-status.ts';
import { DONE, type Reply } from '../../policies/policy.ts';
import type { Connections } from '../upstream/pool.ts';
import { errorReply, type HttpExchange, type Upstream } from './exchange.ts';
import { GRPC_HTTP_STATUS, grpcStatusOf, grpcTrailers } from './grpc/reply.ts';
import { findField, readGrpcStatus } from './grpc/status.ts';
import type { Head } from './message/head.ts';
import { isIdempotent } from './message/methods.ts';
import { nameId } from './message/names.ts';
import { waitedFor } from './reply.ts';
import { hurry, isAccepted, isHeldBack, openTunnel, SWITCHED } from './tunnel.ts';

/** How often endpoints are looked for while the first of a service may still be on their way. */
const PICK_AGAIN_MS = 50;

export function startAttempt(ex: HttpExchange): void {
  const endpoint = ex.destination!.picker.pick(ex, ex.tried) as HttpExchange['endpoint'];
  if (endpoint === undefined) {
    const { service, endpoints, graceUntilMs } = ex.destination!;
    if (endpoints.length === 0 && ex.context.loop.nowMs < graceUntilMs) pickLater(ex, PICK_AGAIN_MS);
    else fail(ex, errorReply('NO_ENDPOINT', `${service} has ${endpoints.length} endpoints`));
    return;
  }
  ex.attempts++;
  ex.endpoint = endpoint;
  endpoint.active++;
  ex.attemptDeadlineMs = ex.context.loop.nowMs + ex.attemptTimeoutMs;
  const pool = endpoint.pool(ex.destination!.http2 || ex.grpc);
  const idle = pool.takeIdle();
  if (idle !== undefined) {
    send(ex, idle);
    return;
  }
  wait(ex, pool);
}

/** Apart from the way without a wait: what is kept for later is made for those who wait only. */
function wait(ex: HttpExchange, pool: Connections<Upstream>): void {
  const { turn, attempts } = ex;
  const current = (): boolean => ex.turn === turn && ex.attempts === attempts && ex.zone === 'routed';
  let settled = false;
  ex.downstream.pauseBody();
  const cancel = pool.lease(
    ex.connectTimeoutMs,
    (client) => {
      settled = true;
      ex.cancelWait = undefined;
      send(ex, client);
    },
    (code, detail) => {
      settled = true;
      ex.cancelWait = undefined;
      if (current()) attemptFailed(ex, code, detail, false);
    },
  );
  // Not over another wait, for the time of the next attempt, when this one ended at once.
  if (!settled) ex.cancelWait = cancel;
}

function send(ex: HttpExchange, upstream: Upstream): void {
  ex.upstream = upstream;
  // Inbound, the other sidecar is the caller; outbound it is the one that was called.
  if (ex.direction === 'outbound') ex.record.peer = upstream.peer;
  upstream.sendRequest(ex);
  if (isHeldBack(ex)) {
    // Read on while there is nothing to hold, so that a caller who goes away is noticed.
    if (ex.heldOctets === 0) ex.downstream.resumeBody();
    return;
  }
  for (const piece of ex.held) upstream.sendBody(piece, 0, piece.length);
  if (ex.heldOctets > ex.holdBytes) ex.letGo();
  if (ex.requestDone) {
    if (ex.info.framing !== 'none') upstream.sendEnd(ex.trailers);
  } else ex.downstream.resumeBody();
}

/** The caller is gone. */
export function onDownstreamGone(ex: HttpExchange): void {
  if (ex.zone === 'over') return;
  ex.record.code = 'DOWNSTREAM_GONE';
  stopAttempt(ex);
  finish(ex);
}

export function onInterim(ex: HttpExchange, upstream: Upstream): void {
  if (ex.zone === 'routed' && ex.head.minor === 1) ex.downstream.sendInterim(upstream);
}

export function onResponseHead(ex: HttpExchange, upstream: Upstream): void {
  const { nowMs } = ex.context.loop;
  ex.movedMs = nowMs;
  const rule = ex.rule!;
  const { outcome } = ex;
  outcome.status = upstream.head.status;
  // Only a sidecar that has proved who it is may speak in the mesh's name.
  outcome.error = upstream.peer === '' ? undefined : weftError(upstream.head);
  // A head that is nothing but trailers; of any other, the status is still to come.
  outcome.grpcStatus = ex.grpc && upstream.info.framing === 'none' ? readGrpcStatus(upstream.head) : NO_GRPC_STATUS;
  if (rule.chain.retries) {
    outcome.response = upstream.fields;
    outcome.reusedConnection = false;
    const wait = waitAfter(ex);
    if (wait !== DONE && mayRepeat(ex, wait)) {
      upstream.discard();
      ex.upstream = undefined;
      retry(ex, wait);
      return;
    }
  }
  const tunnel = isAccepted(ex, upstream);
  ex.status = tunnel ? SWITCHED : upstream.head.status;
  ex.response = upstream.fields;
  try {
    rule.chain.response(ex);
  } catch (thrown) {
    fail(ex, errorReply('FILTER_FAILED', messageOf(thrown)));
    return;
  }
  ex.zone = 'answering';
  ex.deadlineMs = ex.callDeadlineMs;
  ex.attemptDeadlineMs = Number.POSITIVE_INFINITY;
  ex.record.firstByteMs = nowMs - ex.startMs;
  ex.record.status = ex.status;
  ex.record.grpcStatus = outcome.grpcStatus;
  if (outcome.error !== undefined) ex.record.code = outcome.error;
  ex.downstream.sendResponse(ex, upstream);
  if (tunnel && ex.upstream === upstream) openTunnel(ex, upstream);
}

/** What the filters say of the outcome. One that throws says nothing: its fault is not the exchange's, nor the process's. */
function waitAfter(ex: HttpExchange): number {
  try {
    return ex.rule!.chain.afterAttempt(ex, ex.outcome);
  } catch (thrown) {
    ex.record.detail = messageOf(thrown);
    return DONE;
  }
}

function weftError(head: Head): ErrorCode | undefined {
  const field = findField(head, nameId['weft-error']);
  const code = field < 0 ? undefined : head.value(field);
  return code !== undefined && Object.hasOwn(errors, code) ? (code as ErrorCode) : undefined;
}

/** `trailers` are gone when this returns. */
export function onResponseEnd(ex: HttpExchange, trailers?: Head): void {
  if (ex.status === SWITCHED && !ex.requestDone) {
    // Half of a tunnel: the caller may go on.
    ex.responseDone = true;
    hurry(ex);
    ex.downstream.sendEnd();
    return;
  }
  leaveEndpoint(ex);
  if (ex.grpc && trailers !== undefined) readTrailers(ex, trailers);
  ex.upstream = undefined;
  finish(ex);
  ex.downstream.sendEnd(trailers);
}

/** The caller has ended its half of a tunnel, behind the endpoint. */
export function onTunnelEnd(ex: HttpExchange): void {
  leaveEndpoint(ex);
  ex.upstream = undefined;
  finish(ex);
}

/** The attempt's stream broke. */
export function onFailure(ex: HttpExchange, upstream: Upstream, code: ErrorCode, detail: string): void {
  ex.upstream = undefined;
  if (ex.zone !== 'answering') {
    const stale = code === 'UPSTREAM_RESET' && upstream.reused && upstream.unanswered;
    attemptFailed(ex, code, detail, stale && (upstream.unsent || isIdempotent(ex.method)));
    return;
  }
  fail(ex, errorReply(code, detail));
}

/** How a gRPC call ended. */
function readTrailers({ record, upstream }: HttpExchange, trailers: Head): void {
  record.grpcStatus = readGrpcStatus(trailers);
  if (upstream!.peer !== '') record.code = weftError(trailers) ?? record.code;
}

/** No response came of the attempt: another one, or the reply. `stale`: an idle connection had been closed under us. */
function attemptFailed(ex: HttpExchange, code: ErrorCode, detail: string, stale: boolean): void {
  const { outcome } = ex;
  outcome.status = 0;
  outcome.error = code;
  outcome.reusedConnection = stale;
  outcome.response = undefined;
  outcome.grpcStatus = ex.grpc ? grpcStatusOf(code) : NO_GRPC_STATUS;
  const wait = waitAfter(ex);
  if (wait !== DONE && mayRepeat(ex, wait)) retry(ex, wait);
  // No policy is needed to see that a connection was stale; one fresh try, not counted as the endpoint's failure.
  else if (stale && ex.attempts === 1 && mayRepeat(ex, 0)) {
    leaveEndpoint(ex);
    startAttempt(ex);
  } else fail(ex, errorReply(code, detail, code === 'ATTEMPT_TIMEOUT' ? ex.timesFrom : ''));
}

const mayRepeat = (ex: HttpExchange, wait: number): boolean =>
  ex.heldAll && ex.zone === 'routed' && ex.context.loop.nowMs + wait < ex.deadlineMs;

function retry(ex: HttpExchange, wait: number): void {
  ex.tried.push(ex.endpoint!);
  leaveEndpoint(ex);
  ex.attemptDeadlineMs = Number.POSITIVE_INFINITY;
  if (wait <= 0) startAttempt(ex);
  else pickLater(ex, wait);
}

function pickLater(ex: HttpExchange, wait: number): void {
  const { loop } = ex.context;
  ex.downstream.pauseBody();
  ex.cancelWait = loop.clock.after(wait, () =>
    loop.turn(() => {
      ex.cancelWait = undefined;
      startAttempt(ex);
    }),
  );
}

function leaveEndpoint(ex: HttpExchange): void {
  if (ex.endpoint === undefined) return;
  ex.endpoint.active--;
  ex.record.upstream = ex.endpoint.label;
  ex.endpoint = undefined;
}

function stopAttempt(ex: HttpExchange): void {
  ex.cancelWait?.();
  ex.cancelWait = undefined;
  const { upstream } = ex;
  ex.upstream = undefined;
  upstream?.cancel();
  leaveEndpoint(ex);
}

/** Ends the exchange with a reply if one can still be sent, else by breaking the response off. */
export function fail(ex: HttpExchange, reply: Reply): void {
  if (ex.zone === 'over') return;
  const { record } = ex;
  record.code = reply.code === 'REDIRECT' ? '' : reply.code;
  record.policy = reply.policy;
  record.detail = reply.detail ?? '';
  const canReply = ex.zone !== 'answering';
  stopAttempt(ex);
  if (canReply) {
    ex.status = ex.grpc ? GRPC_HTTP_STATUS : reply.status;
    record.status = ex.status;
  }
  if (ex.grpc) record.grpcStatus = grpcStatusOf(reply.code);
  finish(ex);
  if (canReply) ex.downstream.sendReply(ex, reply);
  else if (ex.grpc) ex.downstream.sendEnd(grpcTrailers(reply), true);
  else ex.downstream.reset();
}

/** The last step but one: accounts for the exchange. Then comes the last word downstream, which may begin the next one. */
function finish(ex: HttpExchange): void {
  ex.zone = 'over';
  ex.dropHeld();
  const { record } = ex;
  try {
    ex.rule?.chain.end(ex);
  } catch (thrown) {
    record.detail = messageOf(thrown);
  }
  record.attempts = ex.attempts;
  record.durationMs = ex.context.loop.nowMs - ex.startMs;
  ex.edge?.end(record);
  ex.edge = undefined;
  ex.rest();
}

/** What is due by now; the connection calls it when `dueMs` has passed. */
export function onDeadline(ex: HttpExchange, nowMs: number): void {
  if (ex.zone === 'over') return;
  const isCallers = ex.deadlineMs === ex.callDeadlineMs;
  if (ex.deadlineMs <= nowMs)
    fail(ex, errorReply('REQUEST_DEADLINE', waitedFor(ex, nowMs), isCallers ? '' : ex.timesFrom));
  else if (ex.attemptDeadlineMs <= nowMs) {
    const detail = waitedFor(ex, nowMs);
    ex.cancelWait?.();
    ex.cancelWait = undefined;
    const { upstream } = ex;
    ex.upstream = undefined;
    upstream?.cancel();
    attemptFailed(ex, 'ATTEMPT_TIMEOUT', detail, false);
  } else if (ex.movedMs + ex.idleTimeoutMs <= nowMs)
    fail(ex, errorReply('STREAM_IDLE', `nothing moved for ${ex.idleTimeoutMs} ms`, ex.timesFrom));
}
