import type { ErrorCode } from '../../../lib/errors.ts';
import type { Reply } from '../../../policies/policy.ts';
import { expiryOf, isEnding } from '../../limits/expiry.ts';
import type { Watched } from '../../net/loop.ts';
import type { Wire, WireOwner } from '../../net/wire.ts';
import * as attempt from '../attempt.ts';
import type { ListenerContext } from '../context.ts';
import { type Downstream, errorReply, HttpExchange, type Upstream } from '../exchange.ts';
import * as flow from '../flow.ts';
import { forward, refuse } from '../forward.ts';
import { forwardedText } from '../forwarded.ts';
import { INCOMPLETE, INVALID } from '../message/head.ts';
import type { Framing } from '../message/request.ts';
import { TargetReader } from '../message/target.ts';
import { judge } from './judge.ts';
import { RequestBody } from './request-body.ts';
import { RequestHeads } from './request-heads.ts';
import { acceptFields, KEEP_ALIVE_MS } from './tunnel.ts';
import { writeChunk } from './write-request.ts';
import { responseFraming, writeInterim, writeReply, writeResponse } from './write-response.ts';

/** `head`: of a request, or none yet; `body`: also in a tunnel; `answer`: it is complete, its response is not. */
type Phase = 'head' | 'body' | 'answer' | 'closing';

/** One HTTP/1.1 connection that somebody opened to us. Requests on it are answered one after the other. */
export class H1Server implements Downstream, WireOwner, Watched {
  readonly peer: string;
  readonly address: string;
  readonly forwarded: string;
  deadlineMs: number;
  watchIndex = -1;
  readonly #context: ListenerContext;
  readonly #wire: Wire;
  readonly #onClosed: () => void;
  readonly #ex: HttpExchange;
  readonly #target = new TargetReader();
  readonly #heads: RequestHeads;
  readonly #body: RequestBody;
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
    caller: Pick<Downstream, 'peer' | 'address'>,
    context: ListenerContext,
    onClosed: () => void,
  ) {
    this.peer = caller.peer;
    this.address = caller.address;
    this.forwarded = forwardedText(caller, context.spiffeId());
    this.#context = context;
    this.#onClosed = onClosed;
    this.#ex = new HttpExchange(context, this);
    this.#ex.head.limit(context.limits);
    this.#heads = new RequestHeads(this.#ex.head);
    this.#body = new RequestBody(context.maxBody);
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
      else if (this.#phase === 'answer' || this.#heads.waiting !== undefined || this.#wire.congested) {
        this.#heads.putOff(buf, p, end);
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
    // Behind a request it is one that went wrong; at the start it is another protocol, whose client waits for no answer.
    const late = heads.problem === 'NOT_HTTP' && this.#ex.turn > 0;
    if (behind === INVALID) return this.#refuse(late ? 'BAD_REQUEST' : heads.problem, heads.problemText);
    if (behind !== INCOMPLETE) this.#begin();
    else if (heads.whole !== undefined) this.onOctets(heads.whole, 0, heads.whole.length);
    else if (fresh && !heads.empty) this.deadlineMs = this.#context.loop.nowMs + this.#context.limits.headMs;
    return behind;
  }

  #begin(): unknown {
    const ex = this.#ex;
    const problem = judge(ex, this.#target);
    if (problem !== undefined) return this.#refuse(problem.code, problem.text);
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
    if (body.problem !== undefined) return this.#badBody(body.problem, 'the body is not valid');
    if (body.done) this.#endBody();
    return p;
  }

  #endBody(): void {
    this.#phase = 'answer';
    flow.onRequestEnd(this.#ex);
    if (this.#answered) this.#next();
  }

  #badBody(code: ErrorCode, detail: string): -1 {
    this.#keepAlive = false;
    if (this.#ex.zone === 'over') this.#close();
    else attempt.fail(this.#ex, errorReply(code, detail));
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
    if (this.#phase === 'body' && this.#ex.info.framing === 'tunnel') this.#endBody();
    // In the middle of a request this is the end of it; behind one, the caller may still wait for the answer.
    else if (this.#phase === 'body' ? !this.#answered : this.#phase === 'head' && !this.#heads.empty)
      this.#wire.destroy();
    else if (this.#phase === 'body' || (this.#phase === 'head' && this.#heads.waiting === undefined)) this.#close();
  }

  onClose(): void {
    this.#context.loop.unwatch(this);
    this.#phase = 'closing';
    attempt.onDownstreamGone(this.#ex);
    this.#onClosed();
  }

  onDrained(): void {
    flow.onDownstreamDrained(this.#ex);
    this.#takeWaiting();
  }

  onDeadline(nowMs: number): void {
    if (this.#phase === 'body' || this.#phase === 'answer') {
      if (this.#phase === 'body' && !this.#wire.paused && this.#body.tooSlow(nowMs, this.#context.limits))
        this.#badBody('REQUEST_TIMEOUT', 'the body comes too slowly');
      else if (this.#ex.zone !== 'answering' && this.#callerDoneMs + this.#context.limits.halfClosedMs <= nowMs)
        this.#wire.destroy();
      else if (this.#ex.dueMs <= nowMs) attempt.onDeadline(this.#ex, nowMs);
      // Many tunnels may rest for long, and their times change only when one side ends: a look a second will do.
      else if (this.#framing === 'tunnel') this.deadlineMs = Math.min(this.#ex.dueMs, nowMs + 1000);
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
    const framing = responseFraming(ex, upstream);
    this.#framing = framing;
    if (framing === 'tunnel') this.#wire.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    writeResponse(this.#wire, ex, upstream, framing, this.#connectionFields(ex, framing));
  }

  sendReply(ex: HttpExchange, reply: Reply): void {
    if (reply.code !== 'NOT_HTTP') writeReply(this.#wire, ex, reply, this.#connectionFields(ex, 'length'));
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
    if (this.#framing === 'until-close' || this.#framing === 'tunnel') this.#wire.abort();
    else this.#wire.destroy();
  }

  /** Says whether the connection goes on after this response, and keeps to it. */
  #connectionFields(ex: HttpExchange, framing: Framing): string {
    if (framing === 'tunnel') return acceptFields(ex);
    const over = framing === 'until-close' || isEnding(this.#context, this.#expiresMs);
    const goesOn = !over && (!this.#callerDone || this.#heads.waiting !== undefined);
    this.#keepAlive &&= goesOn && (ex.requestDone || this.#body.drainable);
    if (!this.#keepAlive) return 'connection: close\r\n';
    return ex.head.minor === 0 ? 'connection: keep-alive\r\n' : '';
  }

  #end(): void {
    this.#answered = true;
    // Half of a tunnel: the caller may go on.
    if (this.#framing === 'tunnel' && !this.#callerDone) this.#wire.end();
    else if (!this.#keepAlive) this.#close();
    else if (this.#phase === 'answer') this.#next();
    else this.#wire.resume();
  }

  /** The way is free for the next request, which may be here already. */
  #next(): void {
    this.#phase = 'head';
    this.#heads.rest();
    this.deadlineMs = this.#context.loop.nowMs + this.#context.limits.idleMs;
    // In a turn of its own: a thousand pipelined requests must not be a thousand frames deep.
    if (this.#heads.waiting !== undefined) setImmediate(() => this.#context.loop.turn(() => this.#takeWaiting()));
    else if (this.#callerDone) this.#close();
    else this.#wire.resume();
  }

  #takeWaiting(): void {
    const waiting = this.#heads.waiting;
    if (waiting === undefined || this.#phase !== 'head' || this.#wire.congested) return;
    this.#heads.waiting = undefined;
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
