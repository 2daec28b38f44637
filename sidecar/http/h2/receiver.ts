import * as h2 from './constants.ts';
import type { DataSink } from './frame-reader.ts';
import { writeWindowUpdate } from './frame-writer.ts';
import type { Session } from './session.ts';
import type { Stream } from './stream.ts';

/** Octets that the streams of a connection may hold while their takers are paused; beyond it none of them gets more. */
const MAX_HELD = 4 * 1024 * 1024;

/**
 * DATA as it comes on one connection, and the windows by which we say how much more may come (RFC 9113 section 5.2).
 * They open again as far as what came has been passed on: that is all of our back-pressure.
 */
export class Receiver implements DataSink {
  readonly #session: Session;
  #window: number;
  #unacked = 0;
  #held = 0;
  /** Of the DATA frame that is being read. */
  #data: Stream | undefined;
  #dataLength = 0;
  #dataLast = false;
  /** It has carried nothing but padding so far. */
  #dataEmpty = true;

  constructor(session: Session) {
    this.#session = session;
    this.#window = Math.max(session.limits.connectionWindow, h2.DEFAULT_WINDOW);
  }

  /** Behind our SETTINGS: the window of the connection itself is not one of them. */
  begin(): void {
    const more = this.#window - h2.DEFAULT_WINDOW;
    if (more > 0) writeWindowUpdate(this.#session.wire, 0, more);
  }

  onDataFrame(stream: number, flags: number, length: number): undefined {
    const session = this.#session;
    this.#data = undefined;
    this.#dataLength = length;
    this.#dataLast = (flags & h2.END_STREAM) !== 0;
    if (!session.takesData || stream === 0) return session.fail(h2.PROTOCOL_ERROR, 'DATA where none can be');
    this.#window -= length;
    if (this.#window < 0) return session.fail(h2.FLOW_CONTROL_ERROR, 'more DATA than the connection may carry');
    this.#dataEmpty = true;
    const found = session.streams.get(stream);
    if (found === undefined) {
      if (session.isIdle(stream)) session.fail(h2.PROTOCOL_ERROR, 'DATA on a stream that was never opened');
      else if (!session.wasReset(stream)) session.fail(h2.STREAM_CLOSED, 'DATA on a stream that is closed');
      return;
    }
    found.receiveWindow -= length;
    if (found.remoteClosed) found.reset(h2.STREAM_CLOSED);
    else if (found.receiveWindow < 0) found.reset(h2.FLOW_CONTROL_ERROR);
    else this.#data = found;
  }

  onDataOctets(buf: Buffer, start: number, end: number): undefined {
    if (end > start) this.#dataEmpty = false;
    const stream = this.#data;
    if (stream === undefined) return;
    if (stream.contentLeft >= 0) {
      stream.contentLeft -= end - start;
      if (stream.contentLeft < 0) return this.#misstated(stream);
    }
    // TLS gives 16 KiB at a time; a write for each of them would be most of the cost.
    this.#session.loop.gathering = true;
    stream.onData(buf, start, end);
    this.#session.loop.gathering = false;
  }

  /** RFC 9113 section 8.1.1: content that is not as long as content-length says. */
  #misstated(stream: Stream): undefined {
    this.#data = undefined;
    return stream.reset(h2.PROTOCOL_ERROR);
  }

  onDataDone(): undefined {
    const session = this.#session;
    const stream = this.#data;
    const length = this.#dataLength;
    if (!this.#dataEmpty) session.floods.full();
    else if (!this.#dataLast && session.floods.empty()) return session.fail(h2.ENHANCE_YOUR_CALM, 'empty DATA');
    this.#unacked += length;
    // The stream may have ended while its octets were passed on.
    if (stream !== undefined && session.streams.get(stream.id) === stream) {
      stream.unacked += length;
      if (stream.paused) {
        stream.heldBack += length;
        this.#held += length;
      }
      if (!this.#dataLast) this.#open(stream);
      else if (stream.contentLeft > 0) this.#misstated(stream);
      else stream.closeRemote(undefined);
    }
    this.#openConnection();
  }

  /** Lets the other end send more on this stream once half of its window is used up. */
  #open(stream: Stream): void {
    const session = this.#session;
    if (stream.paused || stream.remoteClosed || stream.unacked * 2 < session.limits.streamWindow) return;
    writeWindowUpdate(session.wire, stream.id, stream.unacked);
    stream.receiveWindow += stream.unacked;
    stream.unacked = 0;
  }

  #openConnection(): void {
    const session = this.#session;
    // One slow stream does not stop the others: what it holds counts as taken, up to a bound for all such streams.
    const octets = this.#unacked - Math.max(0, this.#held - MAX_HELD);
    if (octets * 2 < session.limits.connectionWindow || session.closing) return;
    writeWindowUpdate(session.wire, 0, octets);
    this.#window += octets;
    this.#unacked -= octets;
  }

  /** What a stream held back has been taken. */
  released(stream: Stream): void {
    this.#held -= stream.heldBack;
    stream.heldBack = 0;
    this.#open(stream);
    this.#openConnection();
  }

  /** The stream is over; what it held with it. */
  dropped(stream: Stream): void {
    // The object may be another stream before the rest of its frame comes.
    if (this.#data === stream) this.#data = undefined;
    if (stream.heldBack === 0) return;
    this.#held -= stream.heldBack;
    stream.heldBack = 0;
    this.#openConnection();
  }
}
