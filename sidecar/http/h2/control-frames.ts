import * as h2 from './constants.ts';
import { writePing, writePong, writeSettings, writeSettingsAck } from './frame-writer.ts';
import type { Session } from './session.ts';

/** The frames by which the two ends of a connection deal with each other: all but HEADERS, CONTINUATION and DATA. */
export class ControlFrames {
  readonly #session: Session;
  /** The other end's SETTINGS have come. */
  settled = false;
  /** We have said that we want no pushes, which no server says. */
  #isClient = false;
  /** SETTINGS of ours that were not acknowledged. */
  #unsettled = 0;
  /** Answers written since the last flush; the other end does not read while they pile up. */
  #waiting = 0;
  #waitingSince = -1;

  constructor(session: Session) {
    this.#session = session;
  }

  begin(settings: readonly (readonly [id: number, value: number])[]): void {
    this.#unsettled++;
    this.#isClient = settings.some(([id]) => id === h2.SETTINGS_ENABLE_PUSH);
    writeSettings(this.#session.wire, settings);
  }

  ping(mark: number): void {
    writePing(this.#session.wire, mark);
  }

  take(type: number, flags: number, stream: number, buf: Buffer, start: number, end: number): undefined {
    const session = this.#session;
    const length = end - start;
    switch (type) {
      case h2.WINDOW_UPDATE:
        return this.#windowUpdate(stream, buf, start, length);
      case h2.RST_STREAM:
        return this.#reset(stream, buf, start, length);
      case h2.SETTINGS:
        return this.#settings(flags, stream, buf, start, length);
      case h2.PING:
        return this.#ping(flags, stream, buf, start, length);
      case h2.GOAWAY:
        if (stream !== 0) return session.fail(h2.PROTOCOL_ERROR, 'GOAWAY on a stream');
        if (length < 8) return session.fail(h2.FRAME_SIZE_ERROR, 'GOAWAY of less than 8 octets');
        return session.onGoaway(buf.readUInt32BE(start) & 0x7fffffff, buf.readUInt32BE(start + 4));
      case h2.PUSH_PROMISE:
        return session.fail(h2.PROTOCOL_ERROR, 'a push, which was not allowed');
      case h2.PRIORITY:
        if (stream === 0) return session.fail(h2.PROTOCOL_ERROR, 'PRIORITY on stream 0');
        if (length !== 5) return this.#badPriority(stream);
        if ((buf.readUInt32BE(start) & 0x7fffffff) === stream)
          return session.fail(h2.PROTOCOL_ERROR, 'a stream that depends on itself');
    }
    // PRIORITY, which is ignored, and types that we do not know. RFC 9113 section 5.5.
    this.#count();
  }

  #badPriority(id: number): undefined {
    const found = this.#session.streams.get(id);
    if (found !== undefined) found.reset(h2.FRAME_SIZE_ERROR);
    else this.#session.refuse(id, h2.FRAME_SIZE_ERROR);
    this.#count();
  }

  /** False: the other end is a flood, and the connection has been ended. */
  #count(): boolean {
    const session = this.#session;
    if (!session.floods.control(session.loop.nowMs)) return true;
    session.fail(h2.ENHANCE_YOUR_CALM, 'too many control frames');
    return false;
  }

  /** A frame was written because of one that came. The other end must read them, or goes. */
  answered(): void {
    const session = this.#session;
    const { wire } = session;
    if (this.#waitingSince !== wire.flushes) {
      this.#waitingSince = wire.flushes;
      this.#waiting = 0;
    }
    if (++this.#waiting > session.limits.controlWaiting) session.fail(h2.ENHANCE_YOUR_CALM, 'answers are not read');
  }

  #windowUpdate(id: number, buf: Buffer, start: number, length: number): undefined {
    const session = this.#session;
    if (length !== 4) return session.fail(h2.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of other than 4 octets');
    if (session.floods.update()) return session.fail(h2.ENHANCE_YOUR_CALM, 'too many window updates');
    const octets = buf.readUInt32BE(start) & 0x7fffffff;
    if (id === 0) {
      if (octets === 0) return session.fail(h2.PROTOCOL_ERROR, 'a window update of 0');
      session.sender.window += octets;
      if (session.sender.window > h2.MAX_WINDOW) return session.fail(h2.FLOW_CONTROL_ERROR, 'a window over 2^31-1');
      return session.sender.pump();
    }
    const stream = session.streams.get(id);
    if (stream === undefined) {
      if (session.isIdle(id)) session.fail(h2.PROTOCOL_ERROR, 'a window update of a stream that was never opened');
      return;
    }
    if (octets === 0) return stream.reset(h2.PROTOCOL_ERROR);
    stream.sendWindow += octets;
    if (stream.sendWindow > h2.MAX_WINDOW) return stream.reset(h2.FLOW_CONTROL_ERROR);
    if (stream.buffered > 0) {
      session.sender.enqueue(stream);
      session.sender.pump();
    }
  }

  #reset(id: number, buf: Buffer, start: number, length: number): undefined {
    const session = this.#session;
    if (length !== 4) return session.fail(h2.FRAME_SIZE_ERROR, 'RST_STREAM of other than 4 octets');
    if (id === 0 || session.isIdle(id))
      return session.fail(h2.PROTOCOL_ERROR, 'a reset of a stream that was never opened');
    const stream = session.streams.get(id);
    if (stream === undefined) {
      // Resets of both ends may cross: of each that we have sent, one is nobody's flood.
      if (!session.forgetReset(id)) this.#count();
      return;
    }
    const code = buf.readUInt32BE(start);
    session.close(stream, code, `the stream was reset with ${h2.errorName(code)}`);
  }

  #settings(flags: number, stream: number, buf: Buffer, start: number, length: number): undefined {
    const session = this.#session;
    if (stream !== 0) return session.fail(h2.PROTOCOL_ERROR, 'SETTINGS on a stream');
    if ((flags & h2.ACK) !== 0) {
      if (length !== 0) return session.fail(h2.FRAME_SIZE_ERROR, 'an acknowledgement with settings');
      if (!this.settled) return session.fail(h2.PROTOCOL_ERROR, 'the first frame is an acknowledgement');
      if (--this.#unsettled < 0 && !this.#count()) return;
      this.#unsettled = Math.max(0, this.#unsettled);
      return;
    }
    if (length % 6 !== 0) return session.fail(h2.FRAME_SIZE_ERROR, 'SETTINGS with half an entry');
    if (length / 6 > session.limits.settings) return session.fail(h2.ENHANCE_YOUR_CALM, 'too many settings');
    if (!this.#count()) return;
    // RFC 9113 section 6.5.2: without a word of it there is no limit.
    if (!this.settled) session.peerStreams = Number.POSITIVE_INFINITY;
    this.settled = true;
    for (let p = start; p < start + length; p += 6) {
      this.#setting(buf.readUInt16BE(p), buf.readUInt32BE(p + 2));
      if (session.closing) return;
    }
    writeSettingsAck(session.wire);
    this.answered();
    session.onSettings();
    session.sender.pump();
  }

  #setting(id: number, value: number): void {
    const session = this.#session;
    if (id === h2.SETTINGS_HEADER_TABLE_SIZE) session.encoder.limitTable(Math.min(value, session.limits.headerTable));
    else if (id === h2.SETTINGS_ENABLE_PUSH) {
      // RFC 9113 section 6.5.2: only a client may allow pushes.
      if (value > (this.#isClient ? 0 : 1)) session.fail(h2.PROTOCOL_ERROR, 'ENABLE_PUSH is not what it may be');
    } else if (id === h2.SETTINGS_MAX_CONCURRENT_STREAMS) session.peerStreams = value;
    else if (id === h2.SETTINGS_INITIAL_WINDOW_SIZE) this.#initialWindow(value);
    else if (id === h2.SETTINGS_MAX_FRAME_SIZE) {
      if (value < h2.MAX_FRAME || value > 0xffffff) session.fail(h2.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of bounds');
    } else if (id === h2.SETTINGS_ENABLE_CONNECT_PROTOCOL) {
      // RFC 8441 section 3: what was offered is not taken back.
      if (value > 1 || (session.peerConnects && value === 0))
        session.fail(h2.PROTOCOL_ERROR, 'ENABLE_CONNECT_PROTOCOL is neither 0 nor 1, or goes back');
      session.peerConnects = value === 1;
    }
  }

  /** RFC 9113 section 6.9.2: the streams that are open change by the difference, even below 0. */
  #initialWindow(value: number): undefined {
    const session = this.#session;
    if (value > h2.MAX_WINDOW) return session.fail(h2.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE over 2^31-1');
    const more = value - session.peerWindow;
    session.peerWindow = value;
    for (const stream of session.streams.all()) {
      stream.sendWindow += more;
      if (stream.sendWindow > h2.MAX_WINDOW) return session.fail(h2.FLOW_CONTROL_ERROR, 'a window over 2^31-1');
      if (stream.buffered > 0) session.sender.enqueue(stream);
    }
  }

  #ping(flags: number, stream: number, buf: Buffer, start: number, length: number): undefined {
    const session = this.#session;
    if (stream !== 0) return session.fail(h2.PROTOCOL_ERROR, 'PING on a stream');
    if (length !== 8) return session.fail(h2.FRAME_SIZE_ERROR, 'PING of other than 8 octets');
    if (!this.#count()) return;
    if ((flags & h2.ACK) !== 0) return session.onPong(buf.readUInt32BE(start + 4));
    writePong(session.wire, buf, start);
    this.answered();
  }
}
