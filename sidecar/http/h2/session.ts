import type { Limits } from '../../limits/limits.ts';
import type { Loop, Watched } from '../../net/loop.ts';
import type { Wire, WireOwner } from '../../net/wire.ts';
import type { Head } from '../message/head.ts';
import * as h2 from './constants.ts';
import { ControlFrames } from './control-frames.ts';
import { Floods } from './floods.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { writeGoaway, writeReset } from './frame-writer.ts';
import { HeaderBlock } from './header-block.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import type { Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** Streams that we have reset and whose last frames may still be on their way: those are ignored. */
const MAX_RESET_IDS = 1024;

/** Output that waits because the other end does not read, above which nothing more is read from it. */
const MAX_BACKLOG = 1024 * 1024;

/**
 * One HTTP/2 connection (RFC 9113), whichever end of it we are: frames, streams, windows, and the end. What a message
 * means is said by server.ts and client.ts. Every call comes within a turn of the loop; output goes out once a turn.
 */
export abstract class Session implements WireOwner, FrameSink, Watched {
  readonly wire: Wire;
  readonly loop: Loop;
  readonly limits: Limits;
  readonly streams = new StreamTable();
  readonly encoder = new HpackEncoder();
  readonly floods: Floods;
  deadlineMs = Number.NEGATIVE_INFINITY;
  watchIndex = -1;
  /** The window that the other end gives to each new stream. */
  peerWindow = h2.DEFAULT_WINDOW;
  peerFrame = h2.MAX_FRAME;
  /** Streams that the other end lets us open at once; the usual least until its settings have come. */
  peerStreams = 100;
  /** It takes extended CONNECT. RFC 8441 section 3. */
  peerConnects = false;
  /** The highest stream that the other end has opened. */
  lastPeerStream = 0;
  closing = false;
  readonly sender: Sender;
  protected readonly reader: FrameReader;
  protected readonly receiver: Receiver;
  protected readonly decoder: HpackDecoder;
  readonly #block: HeaderBlock;
  readonly #control: ControlFrames;
  readonly #resetIds = new Set<number>();

  constructor(wire: Wire, limits: Limits) {
    this.wire = wire;
    this.loop = wire.loop;
    this.limits = limits;
    this.decoder = new HpackDecoder(limits.headerTable);
    this.floods = new Floods(limits, this.loop.nowMs);
    this.#block = new HeaderBlock(limits);
    this.#control = new ControlFrames(this);
    this.sender = new Sender(this);
    this.receiver = new Receiver(this);
    this.reader = new FrameReader(this, this.receiver);
    wire.owner = this;
    wire.shared = true;
    this.loop.watch(this);
  }

  /** True while DATA can come: between field blocks, behind the first SETTINGS. */
  get takesData(): boolean {
    return this.#block.stream === 0 && this.#control.settled;
  }

  /** A whole field block: a message begins, or its trailers end it. Must be decoded, whatever becomes of it. */
  protected abstract onBlock(stream: number, last: boolean, buf: Buffer, start: number, end: number): void;
  /** Is this a stream that could exist by now? RFC 9113 section 5.1: a frame on any other is an error. */
  abstract isIdle(stream: number): boolean;
  /** The other end will take no new streams, and none above `last` has been looked at. */
  abstract onGoaway(last: number, code: number): undefined;
  abstract onSettings(): void;
  abstract onPong(mark: number): undefined;
  abstract putTrailers(stream: Stream, trailers: Head): void;
  abstract onStreamClosed(stream: Stream): void;
  protected abstract onGone(error: Error | undefined): void;
  abstract onDeadline(nowMs: number): void;

  /** What each end says first; RFC 9113 section 3.4. */
  protected begin(settings: readonly (readonly [id: number, value: number])[]): void {
    this.#control.begin(settings);
    this.receiver.begin();
  }

  ping(mark: number): void {
    this.#control.ping(mark);
  }

  // What comes in.

  onOctets(buf: Buffer, start: number, end: number): void {
    this.reader.feed(buf, start, end);
    // Whoever asks and does not read is not listened to meanwhile. DATA waits in its streams, so an honest peer's
    // answers never come near this much.
    if (this.wire.outLength > MAX_BACKLOG && this.wire.crowded) this.wire.pause();
  }

  onBadFrame(code: number, text: string): void {
    this.fail(code, text);
  }

  onFrame(type: number, flags: number, stream: number, buf: Buffer, start: number, end: number): undefined {
    const block = this.#block;
    if (block.stream !== 0 && (type !== h2.CONTINUATION || stream !== block.stream))
      return this.fail(h2.PROTOCOL_ERROR, 'something else in the middle of a field block');
    if (!this.#control.settled && type !== h2.SETTINGS)
      return this.fail(h2.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    if (type === h2.HEADERS) this.#headers(flags, stream, buf, start, end);
    else if (type === h2.CONTINUATION) this.#continuation(flags, stream, buf, start, end);
    else this.#control.take(type, flags, stream, buf, start, end);
  }

  #headers(flags: number, stream: number, buf: Buffer, from: number, to: number): undefined {
    let start = from;
    let end = to;
    if (stream === 0) return this.fail(h2.PROTOCOL_ERROR, 'HEADERS on stream 0');
    if ((flags & h2.PADDED) !== 0) {
      if (start === end) return this.fail(h2.FRAME_SIZE_ERROR, 'HEADERS that says it is padded, and is empty');
      end -= buf[start++]!;
    }
    if ((flags & h2.HAS_PRIORITY) !== 0) {
      if (end - start < 5) return this.fail(h2.FRAME_SIZE_ERROR, 'HEADERS too short for its priority');
      // Priorities are ignored, and still a stream cannot depend on itself. RFC 9113 section 5.3.1 of RFC 7540.
      if ((buf.readUInt32BE(start) & 0x7fffffff) === stream)
        return this.fail(h2.PROTOCOL_ERROR, 'a stream that depends on itself');
      start += 5;
    }
    if (end < start) return this.fail(h2.PROTOCOL_ERROR, 'more padding than payload');
    this.floods.full();
    const last = (flags & h2.END_STREAM) !== 0;
    if ((flags & h2.END_HEADERS) !== 0) this.onBlock(stream, last, buf, start, end);
    else this.#block.begin(stream, last, buf, start, end);
  }

  #continuation(flags: number, stream: number, buf: Buffer, start: number, end: number): undefined {
    const block = this.#block;
    if (block.stream === 0) return this.fail(h2.PROTOCOL_ERROR, 'CONTINUATION of nothing');
    const piece = block.add(buf, start, end, (flags & h2.END_HEADERS) !== 0);
    if (piece === 'flood') return this.fail(h2.ENHANCE_YOUR_CALM, 'a field block in too many pieces, or too large');
    if (piece === 'more') return;
    const { buf: whole, length, endStream } = block;
    block.clear();
    this.onBlock(stream, endStream, whole, 0, length);
  }

  /** What a stream held back has been taken. */
  released(stream: Stream): void {
    this.receiver.released(stream);
  }

  onDrained(): void {
    this.wire.resume();
    this.sender.pump();
  }

  // Ends.

  resetStream(stream: Stream, code: number, text = ''): void {
    this.#remember(stream.id);
    writeReset(this.wire, stream.id, code);
    // What we give up of our own accord is no answer to anything.
    if (code !== h2.CANCEL && code !== h2.NO_ERROR) this.#control.answered();
    this.close(stream, code, text);
  }

  /** Refuses a stream that has no object. */
  refuse(id: number, code: number): undefined {
    this.#remember(id);
    writeReset(this.wire, id, code);
    this.#control.answered();
  }

  #remember(id: number): void {
    const ids = this.#resetIds;
    ids.add(id);
    if (ids.size > MAX_RESET_IDS) ids.delete(ids.values().next().value!);
  }

  wasReset(id: number): boolean {
    return this.#resetIds.has(id);
  }

  /** The other end has reset it as well, so that nothing more may come of it. True: we had. */
  forgetReset(id: number): boolean {
    return this.#resetIds.delete(id);
  }

  /** The stream is over; with a code, before its messages were. */
  close(stream: Stream, code = -1, text = ''): void {
    if (!this.streams.delete(stream)) return;
    this.sender.forget(stream);
    this.receiver.dropped(stream);
    // First, because what comes after may open another stream with the same object.
    if (code >= 0) stream.abandon(code, text);
    stream.onClosed();
    this.onStreamClosed(stream);
  }

  /** The connection cannot go on: says why, and ends it and all of its streams. */
  fail(code: number, text: string): undefined {
    if (this.closing) return;
    this.closing = true;
    this.reader.stop();
    writeGoaway(this.wire, this.lastPeerStream, code);
    this.#abandonAll(code, text);
    this.wire.end();
    this.deadlineMs = this.loop.nowMs + this.limits.lingerMs;
  }

  destroy(): void {
    this.wire.destroy();
  }

  onEnd(): void {
    // Neither end of an HTTP/2 connection has a use for half of it.
    this.closing = true;
    this.#abandonAll(h2.CANCEL, 'the connection was closed');
    this.wire.destroy();
  }

  onClose(error: Error | undefined): void {
    this.closing = true;
    this.reader.stop();
    this.loop.unwatch(this);
    this.#abandonAll(h2.CANCEL, error?.message ?? 'the connection was closed');
    this.onGone(error);
  }

  #abandonAll(code: number, text: string): void {
    const streams = this.streams.all();
    this.streams.clear();
    for (const stream of streams) {
      this.receiver.dropped(stream);
      stream.abandon(code, text);
      stream.onClosed();
    }
    this.sender.clear();
  }
}
