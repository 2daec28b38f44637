import { WeftError } from '../../../lib/errors.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Wire } from '../../net/wire.ts';
import type { ConnectionStats } from '../../telemetry/telemetry.ts';
import type { Multiplexed, MuxPool } from '../../upstream/mux-pool.ts';
import { Fields } from '../message/fields.ts';
import { Head } from '../message/head.ts';
import { ResponseInfo } from '../message/response.ts';
import { ClientStream } from './client-stream.ts';
import * as h2 from './constants.ts';
import { writeGoaway } from './frame-writer.ts';
import { HeadWriter } from './head-writer.ts';
import { COMPRESSION, DECODED } from './hpack/decoder.ts';
import { areTrailers } from './request.ts';
import { Session } from './session.ts';
import type { Stream } from './stream.ts';

/** Stream objects kept for use again, by one connection. */
const MAX_SPARE = 128;
/** The last number that a stream may have; then the connection is used up. RFC 9113 section 5.1.1. */
const LAST_STREAM = 2 ** 31 - 1;
/**
 * Servers of gRPC end a connection, and all calls on it, when pings come more often than every five minutes and nothing
 * was sent in between (`too_many_pings`). Other sidecars do not mind.
 */
const APP_PINGS_APART_MS = 310_000;

/** One HTTP/2 connection to an endpoint, in the role of the client. Carries many exchanges at once. */
export class H2Client extends Session implements Multiplexed<ClientStream> {
  readonly peer: string;
  readonly secure: boolean;
  readonly out: HeadWriter;
  /** Of the response whose head is being looked at; gone when that is over. */
  readonly head = new Head();
  readonly info = new ResponseInfo();
  readonly fields = new Fields(this.head);
  /** Streams that it has carried. */
  served = 0;
  expiresMs = Number.POSITIVE_INFINITY;
  /** Resolves when the endpoint has said that it speaks HTTP/2, and what it allows; fails with UPSTREAM_CONNECT. */
  readonly greeted: Promise<void>;
  readonly #greeting = Promise.withResolvers<void>();
  #greetUntilMs: number;
  readonly #pool: MuxPool<ClientStream>;
  readonly #stats: ConnectionStats;
  readonly #spare: ClientStream[] = [];
  /** Over since the last octets came. Whoever ended them may still hold them, so that they are not used again before. */
  readonly #over: ClientStream[] = [];
  /** Streams whose exchanges are over, and which still have something to send. */
  readonly outliving = new Set<ClientStream>();
  #leaving = false;
  #nextStream = 1;
  #idleSinceMs: number;
  /** When the last octets came, or the first stream was opened of those that wait for some. */
  #heardMs: number;
  /** When the PING was sent whose answer is awaited, and when the last one was. */
  #pingedMs = Number.POSITIVE_INFINITY;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #pings = 0;

  constructor(
    wire: Wire,
    { peer, secure }: { readonly peer: string; readonly secure: boolean },
    pool: MuxPool<ClientStream>,
    limits: Limits,
    stats: ConnectionStats,
    timeoutMs: number,
  ) {
    super(wire, limits);
    this.peer = peer;
    this.secure = secure;
    this.#pool = pool;
    this.#stats = stats;
    this.out = new HeadWriter(wire, this.encoder);
    this.#idleSinceMs = this.loop.nowMs;
    this.#heardMs = this.loop.nowMs;
    stats.opened();
    this.greeted = this.#greeting.promise;
    this.#greetUntilMs = this.loop.nowMs + timeoutMs;
    pool.own(this);
    wire.writeText(h2.PREFACE);
    this.begin([
      [h2.SETTINGS_ENABLE_PUSH, 0],
      [h2.SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindow],
      [h2.SETTINGS_MAX_HEADER_LIST_SIZE, limits.headOctets],
      [h2.SETTINGS_HEADER_TABLE_SIZE, limits.headerTable],
    ]);
  }

  get active(): number {
    return this.streams.size;
  }

  /** It takes no more streams, for good: also from the moment on in which it breaks, when attempts begin again. */
  get leaving(): boolean {
    return this.#leaving || this.closing;
  }

  /** The window of the connection is used up: more streams on it would wait. */
  get stalled(): boolean {
    return this.sender.window <= 0;
  }

  get room(): number {
    return this.leaving ? 0 : this.peerStreams - this.streams.size;
  }

  /** A stream for one exchange, when one more may be open. */
  takeStream(): ClientStream | undefined {
    if (this.room <= 0) return undefined;
    if (this.streams.size === 0 && this.#pingedMs === Number.POSITIVE_INFINITY) this.#heardMs = this.loop.nowMs;
    const stream = this.#spare.pop() ?? new ClientStream(this);
    stream.open(this.#nextStream);
    this.#nextStream += 2;
    this.served++;
    this.#idleSinceMs = Number.POSITIVE_INFINITY;
    if (this.#nextStream > LAST_STREAM) this.#leaving = true;
    return stream;
  }

  /** Takes no more streams, and closes when the last one is over. */
  retire(): void {
    if (this.leaving) return;
    this.#leaving = true;
    this.#pool.changed();
    if (this.streams.size === 0) this.#end();
  }

  #end(): void {
    if (this.closing) return;
    this.closing = true;
    // Answers to whatever still comes would be written behind the end.
    this.reader.stop();
    this.loop.turn(() => {
      writeGoaway(this.wire, 0, h2.NO_ERROR);
      this.wire.end();
    });
    this.deadlineMs = this.loop.nowMs + this.limits.lingerMs;
  }

  override onOctets(buf: Buffer, start: number, end: number): void {
    this.#heardMs = this.loop.nowMs;
    while (this.#over.length > 0) this.#spare.push(this.#over.pop()!);
    super.onOctets(buf, start, end);
  }

  isIdle(stream: number): boolean {
    return stream % 2 === 0 || stream >= this.#nextStream;
  }

  protected onBlock(id: number, last: boolean, buf: Buffer, start: number, end: number): undefined {
    const { head } = this;
    const decoded = this.decoder.decode(buf, start, end, head);
    if (decoded === COMPRESSION) return this.fail(h2.COMPRESSION_ERROR, 'a field block that cannot be decoded');
    const stream = this.streams.get(id) as ClientStream | undefined;
    if (stream === undefined) {
      if (this.isIdle(id)) this.fail(h2.PROTOCOL_ERROR, 'HEADERS on a stream that was never opened');
      else if (!this.wasReset(id)) this.fail(h2.STREAM_CLOSED, 'HEADERS on a stream that is closed');
      return;
    }
    this.fields.edits = null;
    if (stream.remoteClosed) stream.reset(h2.STREAM_CLOSED);
    else if (decoded !== DECODED) stream.invalid(head.problemText);
    else if (!stream.answered) stream.onHead(last);
    else if (!last || stream.contentLeft > 0 || !areTrailers(head)) stream.invalid('trailers that are none');
    else stream.closeRemote(head);
  }

  putTrailers(stream: Stream, trailers: Head): void {
    (stream as ClientStream).putTrailers(trailers);
  }

  onStreamClosed(stream: Stream): void {
    if (this.#spare.length + this.#over.length < MAX_SPARE) this.#over.push(stream as ClientStream);
    if (this.streams.size === 0) {
      this.#idleSinceMs = this.loop.nowMs;
      if (this.leaving) this.#end();
    }
    this.#pool.changed();
  }

  onGoaway(last: number, code: number): undefined {
    this.#leaving = true;
    // RFC 9113 section 6.8: what is above was not looked at, so it may be sent again, whatever it is.
    for (const stream of this.streams.all())
      if (stream.id > last) (stream as ClientStream).refused(`the endpoint is leaving (${h2.errorName(code)})`);
    this.#pool.changed();
    if (this.streams.size === 0) this.#end();
  }

  onSettings(): void {
    this.#greetUntilMs = Number.POSITIVE_INFINITY;
    this.#greeting.resolve();
    this.#pool.changed();
  }

  onPong(mark: number): undefined {
    if (mark === this.#pings) this.#pingedMs = Number.POSITIVE_INFINITY;
  }

  onDeadline(nowMs: number): void {
    if (this.closing) {
      this.wire.destroy();
      return;
    }
    for (const stream of this.outliving) stream.onDeadline(nowMs);
    const { pongMs } = this.limits;
    // Whatever it says is a sign of life; and nothing had been heard for long when the PING was sent.
    if (this.#heardMs >= this.#pingedMs) this.#pingedMs = Number.POSITIVE_INFINITY;
    if (this.#pingedMs + pongMs <= nowMs || this.#greetUntilMs <= nowMs) this.wire.destroy();
    else if (this.#pingedMs === Number.POSITIVE_INFINITY && this.#isDoubtful(nowMs)) {
      this.#pingedMs = nowMs;
      this.#lastPingMs = nowMs;
      this.ping(++this.#pings);
    }
    if (this.#idleSinceMs + this.#pool.idleMs <= nowMs || this.expiresMs <= nowMs) this.retire();
  }

  /** It owes something and has been silent for long. */
  #isDoubtful(nowMs: number): boolean {
    if (this.streams.size === 0 || this.#heardMs + this.limits.pingMs > nowMs) return false;
    return this.secure || this.#lastPingMs + APP_PINGS_APART_MS <= nowMs;
  }

  protected onGone(): void {
    this.#leaving = true;
    this.#stats.closed();
    this.#greeting.reject(new WeftError('UPSTREAM_CONNECT', { detail: 'the endpoint does not speak HTTP/2' }));
    this.#pool.forget(this);
  }
}
