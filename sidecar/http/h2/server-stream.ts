import type { Reply } from '../../../policies/policy.ts';
import * as attempt from '../attempt.ts';
import { type Downstream, errorReply, HttpExchange, type Upstream } from '../exchange.ts';
import * as flow from '../flow.ts';
import { forward, refuse } from '../forward.ts';
import { GRPC_HTTP_STATUS, grpcReplyFields } from '../grpc/reply.ts';
import { droppedOfOwn, droppedOfResponse } from '../hop-fields.ts';
import type { Head } from '../message/head.ts';
import { CANCEL, INTERNAL_ERROR, NO_ERROR } from './constants.ts';
import type { H2Server } from './server.ts';
import { Stream } from './stream.ts';
import { writeFields, writeInterim, writeReply, writeResponse, writeTrailers } from './write-response.ts';

/** A stream that ends this soon after it began, and before its answer was complete, counts against its caller. */
const PREMATURE_MS = 1000;

/** One request of an HTTP/2 caller and its response. Used again for other streams of the same connection. */
export class ServerStream extends Stream implements Downstream {
  readonly ex: HttpExchange;
  readonly #server: H2Server;
  #dropped = droppedOfOwn;
  /** The head of the response has said that nothing follows. */
  #whole = false;
  /** Octets of body since when, for its rate. */
  #receivedOctets = 0;
  #sinceMs = 0;

  constructor(server: H2Server) {
    super(server);
    this.#server = server;
    this.ex = new HttpExchange(server.context, this);
    this.ex.head.limit(server.limits);
  }

  get peer(): string {
    return this.#server.peer;
  }
  get address(): string {
    return this.#server.address;
  }
  get forwarded(): string {
    return this.#server.forwarded;
  }

  /** The head has been decoded and understood, unless it is too large. */
  begin(tooLarge: boolean): void {
    const { ex } = this;
    const { context, nowMs } = { context: this.#server.context, nowMs: this.session.loop.nowMs };
    this.#receivedOctets = 0;
    this.#sinceMs = nowMs;
    const problem = tooLarge ? undefined : this.#server.target.read(ex.head, ex.info, ex);
    if (!tooLarge && ex.info.hasLength && !this.remoteClosed) this.contentLeft = ex.info.length;
    ex.begin(nowMs);
    ex.record.protocol = 'HTTP/2';
    if (tooLarge) refuse(ex, 'HEAD_TOO_LARGE', ex.head.problemText);
    else if (problem !== undefined) refuse(ex, problem.code, problem.text);
    else if (ex.info.framing === 'tunnel' && !context.upgrades.has(ex.info.upgrade))
      refuse(ex, 'METHOD_NOT_SUPPORTED', 'an extended CONNECT for a protocol that is not on the list');
    else if (ex.info.length > context.maxBody) refuse(ex, 'BODY_TOO_LARGE', `${ex.info.length} octets of body`);
    else forward(ex);
  }

  // What comes in.

  onData(buf: Buffer, start: number, end: number): void {
    this.#receivedOctets += end - start;
    flow.onRequestBody(this.ex, buf, start, end);
  }

  onEnd(trailers: Head | undefined): void {
    flow.onRequestEnd(this.ex, trailers);
  }

  onGone(): void {
    // What ends before its time, by whose reset ever, is counted: CVE-2023-44487, CVE-2025-8671.
    if (this.ex.zone === 'over') return;
    attempt.onDownstreamGone(this.ex);
    // A slow answer that its caller stops waiting for is nobody's attack.
    if (this.session.loop.nowMs - this.ex.startMs < PREMATURE_MS) this.#server.onCutShort();
  }

  onWritable(): void {
    flow.onDownstreamDrained(this.ex);
  }

  onSentAll(): void {
    // RFC 9113 section 8.1: the answer is complete, the rest of the request is not wanted. A tunnel goes on by halves.
    if (this.ex.zone === 'over') this.reset(NO_ERROR);
  }

  onClosed(): void {}

  onDeadline(nowMs: number): void {
    const { ex } = this;
    if (!this.remoteClosed && !this.paused && this.contentLeft > 0 && this.#tooSlow(nowMs))
      attempt.fail(ex, errorReply('REQUEST_TIMEOUT', 'the body comes too slowly'));
    else if (ex.zone === 'over') {
      // All has been said, and waits for a caller who does not read.
      if (ex.movedMs + ex.idleTimeoutMs <= nowMs) this.reset(CANCEL);
    } else if (ex.dueMs <= nowMs) attempt.onDeadline(ex, nowMs);
  }

  #tooSlow(nowMs: number): boolean {
    const { minBodyRate, bodyGraceMs } = this.session.limits;
    const late = nowMs - this.#sinceMs - bodyGraceMs;
    return late > 0 && this.#receivedOctets * 1000 < late * minBodyRate;
  }

  pauseBody(): void {
    this.pause();
  }

  resumeBody(): void {
    // The time in which we kept the caller waiting is not its fault.
    this.#receivedOctets = 0;
    this.#sinceMs = this.session.loop.nowMs;
    this.resume();
  }

  // What goes out.

  sendInterim(upstream: Upstream): void {
    writeInterim(this.#server.out, upstream, this.id);
  }

  sendResponse(ex: HttpExchange, upstream: Upstream): void {
    this.#dropped = droppedOfResponse(upstream);
    writeResponse(this.#server.out, ex, upstream, this.id);
    // The stream is closed with the end of the exchange, which comes at once: before it, the caller would seem to be gone.
    this.#whole = upstream.info.framing === 'none';
  }

  sendReply(ex: HttpExchange, reply: Reply): void {
    const { out } = this.#server;
    if (ex.grpc) {
      writeFields(out, GRPC_HTTP_STATUS, grpcReplyFields(reply), this.id, true);
      this.closeLocal();
      return;
    }
    const body = writeReply(out, ex, reply, this.id);
    if (body.length > 0) {
      this.sendData(body, 0, body.length);
      this.sendLast(undefined);
    } else this.closeLocal();
  }

  sendBody(buf: Buffer, start: number, end: number): void {
    this.sendData(buf, start, end);
  }

  sendEnd(trailers?: Head, own = false): void {
    if (own) this.#dropped = droppedOfOwn;
    if (this.#whole) this.closeLocal();
    else this.sendLast(trailers);
  }

  putTrailers(trailers: Head): void {
    writeTrailers(this.#server.out, trailers, this.#dropped, this.id);
  }

  override reset(code = INTERNAL_ERROR): undefined {
    super.reset(code);
  }
}
