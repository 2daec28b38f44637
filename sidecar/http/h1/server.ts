import type { ErrorCode } from '../../../lib/errors.ts';
import type { Reply } from '../../../policies/policy.ts';
import { expiryOf, isEnding } from '../../limits/expiry.ts';
import type { Watched } from '../../net/loop.ts';
import type { Wire, WireOwner } from '../../net/wire.ts';
import * as attempt from '../attempt.ts';
import { type Downstream, errorReply, HttpExchange, type ListenerContext, type Upstream } from '../exchange.ts';
import * as flow from '../flow.ts';
import { forward, refuse } from '../forward.ts';
import { forwardedText } from '../forwarded.ts';
import { INCOMPLETE, INVALID } from '../message/head.ts';
import type { Framing } from '../message/request.ts';
import { TargetReader } from '../message/target.ts';
import { readRequest } from './request.ts';
import { RequestBody } from './request-body.ts';
import { RequestHeads } from './request-heads.ts';
import { writeChunk } from './write-request.ts';
import { responseFraming, writeInterim, writeReply, writeResponse } from './write-response.ts';

/**
 * - `head`: waiting for a request, or in the middle of its head
 * - `body`: its body is coming
 * - `answer`: it is complete, its response is not
 * - `closing`: nothing more is answered
 */
type Phase = 'head' | 'body' | 'answer' | 'closing';

/** One HTTP/1.1 connection that somebody opened to us. Requests on it are answered one after the other. */
export class H1Server implements Downstream, WireOwner, Watched {
  readonly peer: string;
  readonly address: string;
  /** Made once: a connection has one caller. */
  readonly forwarded: string;
  deadlineMs: number;
  watchIndex = -1;
  readonly #context: ListenerContext;
  readonly #wire: Wire;
  readonly #onClosed: (connection: H1Server) => void;
  readonly #ex: HttpExchange;
  readonly #target = new TargetReader();
  readonly #heads: RequestHeads;
  readonly #body = new RequestBody();
  /** What came behind the present request. */
  #waiting: Buffer | undefined;
  #phase: Phase = 'head';
  #answered = true;
  #keepAlive = true;
  #framing: Framing = 'none';
  #callerDone = false;
  #callerDoneMs = Number.POSITIVE_INFINITY;
  /** Monotonic ms after which the next answer is the last. */
  readonly #expiresMs: number;

  constructor(
    wire: Wire,
    identity: { readonly peer: string; readonly address: string },
    context: ListenerContext,
    onClosed: (connection: H1Server) => void,
  ) {
    this.peer = identity.peer;
    this.address = identity.address;
    this.forwarded = forwardedText(identity, context.spiffeId());
    this.#context = context;
    this.#onClosed = onClosed;
    this.#ex = new HttpExchange(context, this);
    this.#ex.head.limit(context.limits);
    this.#heads = new RequestHeads(this.#ex.head);
    this.#wire = wire;
    wire.owner = this;
    this.deadlineMs = context.loop.nowMs + context.limits.headMs;
    this.#expiresMs = expiryOf(context);
    context.loop.watch(this);
  }

  /** Answers what has been asked, then closes. An idle caller gets a moment: its next request may be on its way. */
  drain(): void {
    if (this.#phase === 'head' && this.#heads.empty)
      this.deadlineMs = Math.min(this.deadlineMs, this.#context.loop.clock.now() + this.#context.limits.drainIdleMs);
  }

  /** Idle keep-alive connections of HTTP/1.1 cannot be told to move; they have their age. */
  renew(): void {}

  destroy(): void {
    this.#wire.destroy();
  }

  get congested(): boolean {
    return this.#wire.congested;
  }

  get buffered(): number {
    return this.#wire.pending;
  }

  exchanges(visit: (ex: HttpExchange) => void): void {
    visit(this.#ex);
  }

  // What comes in.

  onOctets(buf: Buffer, start: number, end: number): void {
    let p = start;
    while (p < end && p >= 0) {
      if (this.#phase === 'closing') return;
      if (this.#phase === 'body') p = this.#takeBody(buf, p, end);
      // A caller that asks and does not read is not answered without end: its next request waits, too.
      else if (this.#phase === 'answer' || this.#waiting !== undefined || this.#wire.congested) {
        // No more is read meanwhile. TLS may still deliver the rest of a read, which is bounded.
        const more = buf.subarray(p, end);
        this.#waiting = this.#waiting === undefined ? Buffer.from(more) : Buffer.concat([this.#waiting, more]);
        this.#wire.pause();
        return;
      } else p = this.#takeHead(buf, p, end);
    }
  }

  /** Gives the position behind the head, or -1 when all has been taken. */
  #takeHead(buf: Buffer, start: number, end: number): number {
    const heads = this.#heads;
    const fresh = heads.empty;
    const behind = heads.find(buf, start, end);
    if (behind === INVALID) return this.#refuse(heads.problem, heads.problemText);
    if (behind !== INCOMPLETE) this.#begin();
    else if (heads.whole !== undefined) this.onOctets(heads.whole, 0, heads.whole.length);
    else if (fresh && !heads.empty) this.deadlineMs = this.#context.loop.nowMs + this.#context.limits.headMs;
    return behind;
  }

  #begin(): unknown {
    const ex = this.#ex;
    if (!readRequest(ex.head, ex.info)) return this.#refuse(ex.info.problem, ex.info.problemText);
    const problem = this.#target.read(ex.head, ex.info, ex);
    if (problem !== undefined) return this.#refuse(problem.code, problem.text);
    if (ex.info.length > this.#context.maxBody)
      return this.#refuse('BODY_TOO_LARGE', `${ex.info.length} octets of body`);
    ex.begin(this.#context.loop.nowMs);
    this.#answered = false;
    this.#keepAlive = ex.info.keepAlive;
    this.#phase = ex.requestDone ? 'answer' : 'body';
    this.#body.begin(ex.info, this.#context.loop.nowMs);
    // Looked at in every sweep: times of an exchange change with each attempt.
    this.deadlineMs = Number.NEGATIVE_INFINITY;
    return forward(ex);
  }

  #takeBody(buf: Buffer, start: number, end: number): number {
    const body = this.#body;
    const p = body.take(buf, start, end);
    if (body.dataEnd > body.dataStart) flow.onRequestBody(this.#ex, buf, body.dataStart, body.dataEnd);
    if (this.#phase !== 'body') return -1;
    if (body.problem !== undefined) return this.#badBody(body.problem);
    // RFC 9110 section 10.1.1 aside: what is announced and too large is refused before it comes.
    if (body.announced > this.#context.maxBody) return this.#badBody('BODY_TOO_LARGE');
    if (!body.done) return p;
    this.#phase = 'answer';
    flow.onRequestEnd(this.#ex);
    if (this.#answered) this.#next();
    return p;
  }

  #badBody(code: ErrorCode): -1 {
    this.#keepAlive = false;
    if (this.#ex.zone === 'over') this.#close();
    else attempt.fail(this.#ex, errorReply(code, 'the body is not valid'));
    return -1;
  }

  /** A request that is not even a request: answered and closed, never resynchronised. */
  #refuse(code: ErrorCode, detail: string): -1 {
    this.#ex.begin(this.#context.loop.nowMs);
    this.#answered = false;
    this.#keepAlive = false;
    this.#phase = 'body';
    refuse(this.#ex, code, detail);
    return -1;
  }

  onEnd(): void {
    this.#callerDone = true;
    this.#callerDoneMs = this.#context.loop.nowMs;
    // In the middle of a request this is the end of it; behind one, the caller may still wait for the answer.
    if (this.#phase === 'body' ? !this.#answered : this.#phase === 'head' && !this.#heads.empty) this.#wire.destroy();
    else if (this.#phase === 'body' || (this.#phase === 'head' && this.#waiting === undefined)) this.#close();
  }

  onClose(): void {
    this.#context.loop.unwatch(this);
    this.#phase = 'closing';
    attempt.onDownstreamGone(this.#ex);
    this.#onClosed(this);
  }

  onDrained(): void {
    flow.onDownstreamDrained(this.#ex);
    this.#takeWaiting();
  }

  onDeadline(nowMs: number): void {
    if (this.#phase === 'body' || this.#phase === 'answer') {
      if (this.#phase === 'body' && !this.#wire.paused && this.#body.tooSlow(nowMs, this.#context.limits)) {
        this.#keepAlive = false;
        if (this.#answered) this.#wire.destroy();
        else attempt.fail(this.#ex, errorReply('REQUEST_TIMEOUT', 'the body comes too slowly'));
      } else if (this.#ex.zone !== 'answering' && this.#callerDoneMs + this.#context.limits.halfClosedMs <= nowMs)
        this.#wire.destroy();
      else if (attempt.nextDeadline(this.#ex) <= nowMs) attempt.onDeadline(this.#ex, nowMs);
    } else if (this.#phase === 'head' && !this.#heads.empty)
      this.#refuse('REQUEST_TIMEOUT', 'the head comes too slowly');
    else if (this.#wire.flushed) this.#wire.destroy();
    else this.#wire.abort();
  }

  // What goes out.

  pauseBody(): void {
    if (this.#phase === 'body') this.#wire.pause();
  }

  resumeBody(): void {
    if (this.#phase !== 'body') return;
    this.#body.resumed(this.#context.loop.nowMs);
    this.#wire.resume();
  }

  sendInterim(upstream: Upstream): void {
    if (upstream.head.status === 100) this.#body.asked(this.#context.loop.nowMs);
    writeInterim(this.#wire, upstream);
  }

  sendResponse(ex: HttpExchange, upstream: Upstream): void {
    this.#framing = responseFraming(ex, upstream);
    writeResponse(this.#wire, ex, upstream, this.#framing, this.#connectionField(ex, this.#framing === 'until-close'));
  }

  sendReply(ex: HttpExchange, reply: Reply): void {
    writeReply(this.#wire, ex, reply, this.#connectionField(ex, false));
    this.#end();
  }

  sendBody(buf: Buffer, start: number, end: number): void {
    if (end === start) return;
    if (this.#framing === 'streamed') writeChunk(this.#wire, buf, start, end);
    else this.#wire.writeOctets(buf, start, end);
  }

  sendEnd(): void {
    if (this.#framing === 'streamed') this.#wire.writeText('0\r\n\r\n');
    this.#end();
  }

  reset(): void {
    this.#answered = true;
    // Where the end of the connection is the end of the body, an orderly end would pass a part off as the whole.
    if (this.#framing === 'until-close') this.#wire.abort();
    else this.#wire.destroy();
  }

  /** Says whether the connection goes on after this response, and keeps to it. */
  #connectionField(ex: HttpExchange, untilClose: boolean): string {
    const over = untilClose || isEnding(this.#context, this.#expiresMs);
    const goesOn = !over && !(this.#callerDone && this.#waiting === undefined);
    this.#keepAlive &&= goesOn && (ex.requestDone || this.#body.drainable);
    if (!this.#keepAlive) return 'connection: close\r\n';
    return ex.head.minor === 0 ? 'connection: keep-alive\r\n' : '';
  }

  #end(): void {
    this.#answered = true;
    if (!this.#keepAlive) this.#close();
    else if (this.#phase === 'answer') this.#next();
    else this.#wire.resume();
  }

  /** The way is free for the next request, which may be here already. */
  #next(): void {
    this.#phase = 'head';
    this.deadlineMs = this.#context.loop.nowMs + this.#context.limits.idleMs;
    // In a turn of its own: a thousand pipelined requests must not be a thousand frames deep.
    if (this.#waiting !== undefined) setImmediate(() => this.#context.loop.turn(() => this.#takeWaiting()));
    else if (this.#callerDone) this.#close();
    else this.#wire.resume();
  }

  #takeWaiting(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#phase !== 'head' || this.#wire.congested) return;
    this.#waiting = undefined;
    this.#wire.resume();
    this.onOctets(waiting, 0, waiting.length);
  }

  #close(): void {
    this.#phase = 'closing';
    this.#wire.resume();
    this.#wire.end();
    this.deadlineMs =
      this.#context.loop.nowMs + (this.#wire.flushed ? this.#context.limits.lingerMs : this.#context.limits.idleMs);
  }
}
