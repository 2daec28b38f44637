import type { Socket } from 'node:net';
import type { Loop, Watched } from '../../net/loop.ts';
import { Wire, type WireOwner } from '../../net/wire.ts';
import type { ConnectionStats } from '../../telemetry/telemetry.ts';
import type { Pool, Pooled } from '../../upstream/pool.ts';
import * as attempt from '../attempt.ts';
import type { HttpExchange, Upstream } from '../exchange.ts';
import * as flow from '../flow.ts';
import { Fields } from '../message/fields.ts';
import { Head, INCOMPLETE, INVALID } from '../message/head.ts';
import { ResponseInfo } from '../message/response.ts';
import { readResponse } from './response.ts';
import { ResponseBody } from './response-body.ts';
import { ResponseHeads } from './response-heads.ts';
import { askFields, KEEP_ALIVE_MS, switchProblem, tunnelKey } from './tunnel.ts';
import { writeChunk, writeRequest } from './write-request.ts';

/** 1xx responses to one request; more is an attempt to keep us busy. */
const MAX_INTERIM = 8;
/** Octets of an unwanted response that are read so that its connection can be used again. */
const MAX_DISCARD = 64 * 1024;
/** Time in which it must be over. */
const DISCARD_MS = 1000;
/** For the end of a tunnel to reach an endpoint that reads slowly. */
const LEAVE_MS = 60_000;

/** `body`: also in a tunnel; `ended`: the endpoint has said all that it has to say into it. */
type State = 'idle' | 'head' | 'body' | 'ended' | 'closed';

/** One HTTP/1.1 connection to an endpoint, in the role of the client. Carries one exchange at a time. */
export class H1Client implements Upstream, Pooled, WireOwner, Watched {
  readonly head = new Head();
  readonly info = new ResponseInfo();
  /** SPIFFE ID that the endpoint proved; '' over plain text. */
  readonly peer: string;
  deadlineMs = Number.POSITIVE_INFINITY;
  watchIndex = -1;
  /** Monotonic ms after which it takes no further request. */
  expiresMs = Number.POSITIVE_INFINITY;
  /** How long it may rest, in ms. */
  idleMs = 0;
  /** Requests that it has carried. */
  served = 0;
  readonly fields = new Fields(this.head);
  readonly #wire: Wire;
  readonly #pool: Pool<H1Client>;
  readonly #loop: Loop;
  readonly #stats: ConnectionStats;
  readonly #heads = new ResponseHeads(this.head);
  readonly #body = new ResponseBody();
  #state: State = 'idle';
  #ex: HttpExchange | undefined;
  #discarded = -1;
  #interim = 0;
  #answered = false;
  #sentBefore = 0;
  #requestSent = true;
  #requestChunked = false;
  #method = '';
  /** What a WebSocket endpoint must answer to. */
  #key = '';

  constructor(socket: Socket, peer: string, pool: Pool<H1Client>, loop: Loop, stats: ConnectionStats) {
    this.peer = peer;
    this.#pool = pool;
    this.#loop = loop;
    this.#stats = stats;
    this.#wire = new Wire(socket, this, loop);
    loop.watch(this);
    stats.opened();
  }

  get dead(): boolean {
    return this.#state === 'closed' || this.#wire.ending;
  }

  get congested(): boolean {
    return this.#wire.congested;
  }

  get buffered(): number {
    return this.#wire.pending;
  }

  get reused(): boolean {
    return this.served > 1;
  }

  get unanswered(): boolean {
    return !this.#answered;
  }

  get unsent(): boolean {
    return this.#wire.octetsOut === this.#sentBefore;
  }

  sendRequest(ex: HttpExchange): void {
    this.#ex = ex;
    this.#state = 'head';
    this.#answered = false;
    this.#interim = 0;
    this.#discarded = -1;
    this.#method = ex.method;
    this.#requestSent = ex.info.framing === 'none';
    this.#requestChunked = ex.info.framing === 'streamed';
    this.served++;
    this.#sentBefore = this.#wire.octetsOut;
    this.fields.edits = null;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    let tunnelFields = '';
    if (ex.info.framing === 'tunnel') {
      this.#key = tunnelKey(ex);
      tunnelFields = askFields(ex.info.upgrade, this.#key);
    }
    writeRequest(this.#wire, ex, tunnelFields);
  }

  sendBody(buf: Buffer, start: number, end: number): void {
    if (end === start) return;
    if (this.#requestChunked) writeChunk(this.#wire, buf, start, end);
    else this.#wire.writeOctets(buf, start, end);
  }

  sendEnd(): void {
    if (this.#requestChunked) this.#wire.writeText('0\r\n\r\n');
    this.#requestSent = true;
    if (this.info.framing !== 'tunnel') return;
    this.#wire.end();
    if (this.#state === 'ended') this.#leave();
  }

  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  cancel(): void {
    this.#ex = undefined;
    // In a tunnel an orderly end would pass a part off as the whole.
    if (this.info.framing === 'tunnel') this.#wire.abort();
    else this.destroy();
  }

  discard(): void {
    this.#ex = undefined;
    this.#discarded = 0;
    this.deadlineMs = this.#loop.nowMs + DISCARD_MS;
    if (!this.#requestSent) this.destroy();
  }

  /** Waits for the next request; the pool's. */
  rest(): void {
    this.deadlineMs = this.#loop.nowMs + this.idleMs;
  }

  destroy(): void {
    this.#wire.destroy();
  }

  onDeadline(): void {
    // Only set while it rests, discards or leaves: a request's time is watched by its exchange.
    this.destroy();
  }

  onDrained(): void {
    if (this.#ex !== undefined) flow.onUpstreamDrained(this.#ex);
  }

  onOctets(buf: Buffer, start: number, end: number): void {
    if (this.#state === 'idle') {
      // RFC 9112 section 9.2: nothing was asked. It could only be taken for the answer to the next request.
      this.destroy();
      return;
    }
    this.#answered = true;
    let p = start;
    if (this.#state === 'head') {
      p = this.#takeHeads(buf, p, end);
      if (p < 0) return;
    }
    if (this.#state === 'body') p = this.#takeBody(buf, p, end);
    // What follows a complete response was never asked for.
    if (p >= 0 && p < end && (this.#state as State) === 'idle') this.destroy();
  }

  /** Reads heads until a final one. Gives where its body begins, or -1 when all is taken or over. */
  #takeHeads(buf: Buffer, start: number, end: number): number {
    const heads = this.#heads;
    let p = start;
    while (p < end) {
      p = heads.find(buf, p, end);
      if (p === INVALID) return this.#invalid(heads.problemText);
      if (p === INCOMPLETE) {
        if (heads.whole !== undefined) this.onOctets(heads.whole, 0, heads.whole.length);
        return -1;
      }
      if (this.head.status >= 200 || (this.head.status === 101 && this.#ex?.info.framing === 'tunnel'))
        return this.#begin(p, end);
      if (this.head.status === 101 || ++this.#interim > MAX_INTERIM)
        return this.#invalid(this.head.status === 101 ? 'a switch of protocols that nobody asked for' : 'too many 1xx');
      if (this.#ex !== undefined) attempt.onInterim(this.#ex, this);
    }
    return -1;
  }

  #begin(p: number, end: number): number {
    if (!readResponse(this.head, this.info, this.#method === 'HEAD')) return this.#invalid(this.info.problemText);
    if (this.head.status === 101) {
      const problem = switchProblem(this.head, this.info, this.#ex!.info.upgrade, this.#key);
      if (problem !== '') return this.#invalid(problem);
      this.info.framing = 'tunnel';
      this.#wire.socket.setKeepAlive(true, KEEP_ALIVE_MS);
      this.#pool.lend(this);
    }
    this.#state = 'body';
    this.#body.begin(this.info);
    if (this.#ex !== undefined) attempt.onResponseHead(this.#ex, this);
    if (this.#state !== 'body') return -1;
    if (this.#body.done) this.#finish(p === end);
    return p;
  }

  #takeBody(buf: Buffer, start: number, end: number): number {
    const body = this.#body;
    const p = body.take(buf, start, end);
    this.#content(buf, body.dataStart, body.dataEnd);
    if (this.#state !== 'body') return -1;
    if (p < 0) return this.#invalid('chunked coding that is not valid');
    if (body.done) this.#finish(p === end);
    return p;
  }

  #content(buf: Buffer, start: number, end: number): void {
    if (end === start) return;
    if (this.#ex !== undefined) flow.onResponseBody(this.#ex, this, buf, start, end);
    else {
      this.#discarded += end - start;
      if (this.#discarded > MAX_DISCARD) this.destroy();
    }
  }

  #finish(clean: boolean): void {
    const ex = this.#ex;
    this.#ex = undefined;
    // A response before the end of its request leaves the rest of the request in the way of the next one.
    const reusable = clean && this.#requestSent && this.info.keepAlive && this.info.framing !== 'until-close';
    this.#state = 'idle';
    if (ex !== undefined) attempt.onResponseEnd(ex);
    if (this.#wire.closed) return;
    if (!reusable) this.destroy();
    else {
      if (this.#wire.paused) this.#wire.resume();
      this.#pool.release(this, this.info.keepAliveSeconds);
    }
  }

  #invalid(detail: string): -1 {
    const ex = this.#ex;
    this.#ex = undefined;
    this.destroy();
    if (ex !== undefined) attempt.onFailure(ex, this, 'UPSTREAM_INVALID', detail);
    return -1;
  }

  onEnd(): void {
    if (this.#state === 'body' && this.info.framing === 'until-close') this.#finish(false);
    else if (this.#state === 'body' && this.info.framing === 'tunnel') {
      const ex = this.#ex!;
      this.#state = 'ended';
      if (this.#requestSent) this.#leave();
      attempt.onResponseEnd(ex);
    } else this.destroy();
  }

  /** Both sides of the tunnel have ended; what the endpoint has not taken yet is still on its way. */
  #leave(): void {
    this.#ex = undefined;
    this.deadlineMs = this.#loop.nowMs + LEAVE_MS;
  }

  onClose(error: Error | undefined): void {
    const ex = this.#ex;
    this.#ex = undefined;
    this.#state = 'closed';
    this.#loop.unwatch(this);
    this.#pool.forget(this);
    this.#stats.closed();
    if (ex !== undefined)
      attempt.onFailure(
        ex,
        this,
        'UPSTREAM_RESET',
        error?.message ?? 'the connection was closed before the response was complete',
      );
  }
}
