import { expiryOf } from '../../limits/expiry.ts';
import type { Wire } from '../../net/wire.ts';
import type { ListenerContext } from '../context.ts';
import type { HttpExchange } from '../exchange.ts';
import { forwardedText } from '../forwarded.ts';
import { Head } from '../message/head.ts';
import { TargetReader } from '../message/target.ts';
import * as h2 from './constants.ts';
import { writeGoaway } from './frame-writer.ts';
import { HeadWriter } from './head-writer.ts';
import { COMPRESSION, DECODED, TOO_LARGE } from './hpack/decoder.ts';
import { areTrailers, readRequest } from './request.ts';
import { ServerStream } from './server-stream.ts';
import { Session } from './session.ts';
import type { Stream } from './stream.ts';

/** Stream objects kept for use again, by one connection. */
const MAX_SPARE = 128;
const MAX_KEPT_HEAD = 8 * 1024;
const PREFACE = Buffer.from(h2.PREFACE, 'latin1');
/** Marks the PING behind the first GOAWAY of a drain. */
const DRAIN_PING = 0x6472;
/** For requests that were under way to us when the PING of a drain was answered. */
const BEHIND_PONG_MS = 100;

/** One HTTP/2 connection that somebody opened to us. RFC 9113. */
export class H2Server extends Session {
  readonly context: ListenerContext;
  readonly peer: string;
  readonly address: string;
  readonly forwarded: string;
  readonly out: HeadWriter;
  readonly target = new TargetReader();
  readonly #secure: boolean;
  readonly #onClosed: () => void;
  readonly #spare: ServerStream[] = [];
  /** Over since the last octets came. Whoever ended them may still hold them, so that they are not used again before. */
  readonly #over: ServerStream[] = [];
  readonly #trailers = new Head();
  #prefaceLeft = PREFACE.length;
  /** Monotonic ms since when no stream is open; Infinity while one is. */
  #idleSinceMs: number;
  readonly #expiresMs: number;
  /** The drain has told the caller to open no more streams; Infinity: it has not, or those are refused by now. */
  #lastCallMs = Number.POSITIVE_INFINITY;
  #leaving = false;
  /** Streams above this one are not looked at. */
  #lastTaken = h2.MAX_WINDOW;

  constructor(
    wire: Wire,
    identity: { readonly peer: string; readonly address: string; readonly secure: boolean },
    context: ListenerContext,
    onClosed: () => void,
  ) {
    super(wire, context.limits);
    this.context = context;
    this.peer = identity.peer;
    this.address = identity.address;
    this.#secure = identity.secure;
    this.forwarded = forwardedText(identity, context.spiffeId());
    this.out = new HeadWriter(wire, this.encoder);
    this.#onClosed = onClosed;
    const { nowMs } = this.loop;
    this.#idleSinceMs = nowMs;
    this.#expiresMs = expiryOf(context);
    const { limits } = this;
    this.begin([
      [h2.SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams],
      [h2.SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindow],
      [h2.SETTINGS_MAX_HEADER_LIST_SIZE, limits.headOctets],
      [h2.SETTINGS_HEADER_TABLE_SIZE, limits.headerTable],
      [h2.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1],
    ]);
  }

  override onOctets(buf: Buffer, start: number, end: number): undefined {
    while (this.#over.length > 0) this.#spare.push(this.#over.pop()!);
    let p = start;
    while (this.#prefaceLeft > 0 && p < end) {
      if (buf[p] !== PREFACE[PREFACE.length - this.#prefaceLeft])
        return this.fail(h2.PROTOCOL_ERROR, 'this is not how HTTP/2 begins');
      this.#prefaceLeft--;
      p++;
    }
    if (p < end) super.onOctets(buf, p, end);
  }

  isIdle(stream: number): boolean {
    return stream % 2 === 0 || stream > this.lastPeerStream;
  }

  protected onBlock(id: number, last: boolean, buf: Buffer, start: number, end: number): undefined {
    if (id % 2 === 0) return this.fail(h2.PROTOCOL_ERROR, 'a stream with an even number, from a client');
    const known = this.streams.get(id);
    if (known !== undefined) return this.#trailersOf(known, last, buf, start, end);
    if (id <= this.lastPeerStream) {
      if (this.decoder.decode(buf, start, end, this.#trailers) === COMPRESSION) return this.#outOfStep();
      // Those that we have reset may still speak; those that are over may not. RFC 9113 section 5.1.
      if (!this.wasReset(id)) this.fail(h2.STREAM_CLOSED, 'HEADERS on a stream that is closed');
      return;
    }
    this.lastPeerStream = id;
    this.floods.opened();
    if (id > this.#lastTaken || this.streams.size >= this.limits.streams) {
      if (this.decoder.decode(buf, start, end, this.#trailers) === COMPRESSION) return this.#outOfStep();
      if (this.floods.reset(this.loop.nowMs))
        return this.fail(h2.ENHANCE_YOUR_CALM, 'too many streams that cannot be taken');
      return this.refuse(id, h2.REFUSED_STREAM);
    }
    this.#open(id, last, buf, start, end);
  }

  #outOfStep(): undefined {
    this.fail(h2.COMPRESSION_ERROR, 'a field block that cannot be decoded');
  }

  #open(id: number, last: boolean, buf: Buffer, start: number, end: number): undefined {
    const stream = this.#spare.pop() ?? new ServerStream(this);
    const { ex } = stream;
    const decoded = this.decoder.decode(buf, start, end, ex.head);
    if (decoded === COMPRESSION) return this.#outOfStep();
    if (decoded !== TOO_LARGE && (decoded !== DECODED || !readRequest(ex.head, ex.info, last, this.#secure))) {
      this.#spare.push(stream);
      if (this.floods.reset(this.loop.nowMs)) return this.fail(h2.ENHANCE_YOUR_CALM, 'too many requests that are none');
      return this.refuse(id, h2.PROTOCOL_ERROR);
    }
    this.#idleSinceMs = Number.POSITIVE_INFINITY;
    stream.open(id);
    stream.remoteClosed = last;
    stream.begin(decoded === TOO_LARGE);
  }

  #trailersOf(stream: Stream, last: boolean, buf: Buffer, start: number, end: number): undefined {
    const trailers = this.#trailers;
    const decoded = this.decoder.decode(buf, start, end, trailers);
    if (decoded === COMPRESSION) return this.#outOfStep();
    if (stream.remoteClosed) return stream.reset(h2.STREAM_CLOSED);
    const bad = !last || decoded !== DECODED || stream.contentLeft > 0 || !areTrailers(trailers);
    if (bad) stream.reset(h2.PROTOCOL_ERROR);
    else stream.closeRemote(trailers);
  }

  putTrailers(stream: Stream, trailers: Head): void {
    (stream as ServerStream).putTrailers(trailers);
  }

  /** A stream ended before its exchange was over. */
  onCutShort(): void {
    if (!this.closing && this.floods.reset(this.loop.nowMs))
      this.fail(h2.ENHANCE_YOUR_CALM, 'too many streams that are reset');
  }

  onStreamClosed(stream: Stream): void {
    const over = stream as ServerStream;
    // One large head must not keep its buffer for good.
    if (this.#spare.length + this.#over.length < MAX_SPARE && over.ex.head.buf.length <= MAX_KEPT_HEAD)
      this.#over.push(over);
    if (this.streams.size > 0) return;
    this.#idleSinceMs = this.loop.nowMs;
    if (this.#leaving && this.#lastCallMs === Number.POSITIVE_INFINITY) this.#end();
  }

  onGoaway(): undefined {
    // Says nothing of streams of its own (RFC 9113 section 6.8), some of which it may have ready: those are answered.
    this.drain();
  }

  onSettings(): void {}

  /** No more streams: first the caller is told so, then those it had opened meanwhile are the last. RFC 9113 section 6.8. */
  drain(): void {
    if (this.#leaving || this.closing) return;
    this.#leaving = true;
    this.loop.turn(() => {
      writeGoaway(this.wire, h2.MAX_WINDOW, h2.NO_ERROR);
      this.ping(DRAIN_PING);
      this.#lastCallMs = this.loop.nowMs + this.limits.drainIdleMs;
    });
  }

  exchanges(visit: (ex: HttpExchange) => void): void {
    for (const stream of this.streams.all()) visit((stream as ServerStream).ex);
  }

  renew(): void {
    this.drain();
  }

  onPong(mark: number): undefined {
    // Answers to PING overtake requests that the caller had ready: those come right behind, and are still taken.
    if (mark === DRAIN_PING && this.#lastCallMs !== Number.POSITIVE_INFINITY)
      this.#lastCallMs = Math.min(this.#lastCallMs, this.loop.nowMs + BEHIND_PONG_MS);
  }

  #lastCall(): void {
    this.#lastCallMs = Number.POSITIVE_INFINITY;
    this.#lastTaken = this.lastPeerStream;
    writeGoaway(this.wire, this.lastPeerStream, h2.NO_ERROR);
    if (this.streams.size === 0) this.#end();
  }

  #end(): void {
    this.closing = true;
    this.reader.stop();
    this.wire.end();
    this.deadlineMs = this.loop.nowMs + this.limits.lingerMs;
  }

  onDeadline(nowMs: number): void {
    if (this.closing) {
      this.wire.destroy();
      return;
    }
    for (const stream of this.streams.all()) (stream as ServerStream).onDeadline(nowMs);
    if (this.#prefaceLeft > 0 && this.#idleSinceMs + this.limits.headMs <= nowMs) this.destroy();
    else if (this.#lastCallMs <= nowMs) this.#lastCall();
    else if (this.#idleSinceMs + this.limits.idleMs <= nowMs || this.#expiresMs <= nowMs) this.drain();
  }

  protected onGone(): void {
    this.#onClosed();
  }
}
