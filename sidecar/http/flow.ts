/**
 * Bodies on their way, each direction with its back-pressure: who cannot take more makes the other side pause. All
 * functions run within a turn of the loop; downstream and upstream call them.
 */
import { fail, onTunnelEnd } from './attempt.ts';
import { errorReply, type HttpExchange, type Upstream } from './exchange.ts';
import type { Head } from './message/head.ts';
import { endHalf, isHeldBack } from './tunnel.ts';

/** Octets of body kept while there is no connection yet, whatever the policies say: one read at most. */
const HOLD_WHILE_WAITING = 64 * 1024;

/** Body of the request. */
export function onRequestBody(ex: HttpExchange, buf: Buffer, start: number, end: number): void {
  ex.record.requestBytes += end - start;
  ex.movedMs = ex.context.loop.nowMs;
  if (ex.zone === 'over') return;
  if (ex.record.requestBytes > ex.context.maxBody && ex.info.framing !== 'tunnel') {
    fail(ex, errorReply('BODY_TOO_LARGE', `more than ${ex.context.maxBody} octets`));
    return;
  }
  const { upstream } = ex;
  const waiting = upstream === undefined || isHeldBack(ex);
  if (ex.heldAll || waiting) {
    const limit = waiting ? ex.holdBytes + HOLD_WHILE_WAITING : ex.holdBytes;
    if (waiting || ex.heldOctets + end - start <= limit) ex.hold(buf, start, end);
    else ex.letGo();
  }
  if (waiting) ex.downstream.pauseBody();
  else {
    upstream.sendBody(buf, start, end);
    if (upstream.congested) ex.downstream.pauseBody();
  }
}

/** The request's body is complete. `trailers` are gone when this returns. */
export function onRequestEnd(ex: HttpExchange, trailers?: Head): void {
  ex.requestDone = true;
  const { upstream } = ex;
  if (ex.info.framing === 'tunnel') {
    if (upstream === undefined || isHeldBack(ex)) return;
    endHalf(ex, upstream);
    if (ex.responseDone) onTunnelEnd(ex);
    return;
  }
  if (ex.heldAll && trailers !== undefined) ex.trailers = trailers.copy();
  upstream?.sendEnd(trailers);
}

export function onResponseBody(ex: HttpExchange, upstream: Upstream, buf: Buffer, start: number, end: number): void {
  ex.movedMs = ex.context.loop.nowMs;
  ex.record.responseBytes += end - start;
  ex.downstream.sendBody(buf, start, end);
  if (ex.downstream.congested) upstream.pause();
}

export function onDownstreamDrained(ex: HttpExchange): void {
  ex.upstream?.resume();
}

export function onUpstreamDrained(ex: HttpExchange): void {
  ex.downstream.resumeBody();
}
