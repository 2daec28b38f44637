import { DATA, FRAME_HEAD, FRAME_SIZE_ERROR, MAX_FRAME, PADDED, PROTOCOL_ERROR } from './constants.ts';

/** Who hears of the frames of one connection. */
export interface FrameSink {
  /** A whole frame that is not DATA; its payload is buf[start, end), gone when this returns. */
  onFrame(type: number, flags: number, stream: number, buf: Buffer, start: number, end: number): void;
  /** The octets are no HTTP/2; nothing more is read. */
  onBadFrame(code: number, text: string): void;
}

/** Who hears of its DATA. */
export interface DataSink {
  /** A DATA frame begins; `length` octets of payload count for flow control, padding included. */
  onDataFrame(stream: number, flags: number, length: number): void;
  /** Content of that frame, as it comes: a frame is never waited for, so nothing of it is kept. */
  onDataOctets(buf: Buffer, start: number, end: number): void;
  /** All of that frame has come. */
  onDataDone(): void;
}

/**
 * Cuts what comes on a connection into frames (RFC 9113 section 4.1), however it is split. Keeps at most one frame that
 * is not DATA. Does no I/O.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #data: DataSink;
  /** Once true, nothing more is read. */
  stopped = false;
  /** Head or payload of a frame that came in pieces; undefined while frames come whole. */
  #kept: Buffer | undefined;
  #keptLength = 0;
  /** Of the DATA frame that is being read: octets of content and of padding still to come; -1: none is being read. */
  #dataLeft = -1;
  #paddingLeft = 0;
  /** The next octet says how long the padding is. */
  #wantsPadding = false;

  constructor(sink: FrameSink, data: DataSink) {
    this.#sink = sink;
    this.#data = data;
  }

  stop(): void {
    this.stopped = true;
    this.#kept = undefined;
  }

  feed(buf: Buffer, start: number, end: number): void {
    let p = start;
    while (p < end && !this.stopped) {
      if (this.#dataLeft >= 0) {
        p = this.#takeData(buf, p, end);
        continue;
      }
      if (this.#keptLength > 0) {
        p = this.#takeKept(buf, p, end);
        continue;
      }
      if (end - p < FRAME_HEAD) {
        this.#keep(buf, p, end);
        return;
      }
      const length = (buf[p]! << 16) | (buf[p + 1]! << 8) | buf[p + 2]!;
      if (length > MAX_FRAME) {
        this.#bad(FRAME_SIZE_ERROR, 'a frame of more than 16384 octets');
        return;
      }
      if (buf[p + 3] === DATA) {
        p = this.#beginData(buf, p, length);
        continue;
      }
      const behind = p + FRAME_HEAD + length;
      if (behind > end) {
        this.#keep(buf, p, end);
        return;
      }
      this.#whole(buf, p, behind);
      p = behind;
    }
  }

  #whole(buf: Buffer, p: number, behind: number): void {
    this.#sink.onFrame(buf[p + 3]!, buf[p + 4]!, streamAt(buf, p + 5), buf, p + FRAME_HEAD, behind);
  }

  #keep(buf: Buffer, start: number, end: number): void {
    const need = this.#keptLength + end - start;
    if (this.#kept === undefined || this.#kept.length < need) {
      const larger = Buffer.allocUnsafe(Math.max(need, 256, Math.min(MAX_FRAME + FRAME_HEAD, need * 2)));
      this.#kept?.copy(larger, 0, 0, this.#keptLength);
      this.#kept = larger;
    }
    buf.copy(this.#kept, this.#keptLength, start, end);
    this.#keptLength = need;
  }

  /** Completes first the head, then the payload of the frame that has begun. Gives the position behind what it took. */
  #takeKept(buf: Buffer, start: number, end: number): number {
    let p = start;
    if (this.#keptLength < FRAME_HEAD) {
      p = Math.min(end, start + FRAME_HEAD - this.#keptLength);
      this.#keep(buf, start, p);
      if (this.#keptLength < FRAME_HEAD) return p;
    }
    const kept = this.#kept!;
    const length = (kept[0]! << 16) | (kept[1]! << 8) | kept[2]!;
    if (length > MAX_FRAME) {
      this.#bad(FRAME_SIZE_ERROR, 'a frame of more than 16384 octets');
      return end;
    }
    if (kept[3] === DATA) {
      this.#keptLength = 0;
      this.#beginData(kept, 0, length);
      return p;
    }
    const missing = FRAME_HEAD + length - this.#keptLength;
    const take = Math.min(missing, end - p);
    this.#keep(buf, p, p + take);
    if (take === missing) {
      const whole = this.#kept!;
      // Given up before the call: what it leads to may end this connection.
      this.#kept = undefined;
      this.#keptLength = 0;
      this.#whole(whole, 0, FRAME_HEAD + length);
    }
    return p + take;
  }

  #beginData(buf: Buffer, p: number, length: number): number {
    const flags = buf[p + 4]!;
    this.#wantsPadding = (flags & PADDED) !== 0;
    this.#paddingLeft = 0;
    if (this.#wantsPadding && length === 0) {
      this.#bad(FRAME_SIZE_ERROR, 'DATA that says it is padded, and is empty');
      return p + FRAME_HEAD;
    }
    this.#dataLeft = length;
    this.#data.onDataFrame(streamAt(buf, p + 5), flags, length);
    if (length === 0) this.#dataDone();
    return p + FRAME_HEAD;
  }

  #takeData(buf: Buffer, start: number, end: number): number {
    let p = start;
    if (this.#wantsPadding) {
      this.#wantsPadding = false;
      this.#paddingLeft = buf[p++]!;
      // The octet itself and the padding count as payload. RFC 9113 section 6.1: padding that leaves no room is an error.
      this.#dataLeft -= 1 + this.#paddingLeft;
      if (this.#dataLeft < 0) {
        this.#bad(PROTOCOL_ERROR, 'more padding than payload');
        return end;
      }
    }
    const content = Math.min(this.#dataLeft, end - p);
    if (content > 0) {
      this.#dataLeft -= content;
      this.#data.onDataOctets(buf, p, p + content);
      p += content;
    }
    if (this.#dataLeft === 0) {
      const padding = Math.min(this.#paddingLeft, end - p);
      this.#paddingLeft -= padding;
      p += padding;
      if (this.#paddingLeft === 0) this.#dataDone();
    }
    return p;
  }

  #dataDone(): void {
    this.#dataLeft = -1;
    if (!this.stopped) this.#data.onDataDone();
  }

  #bad(code: number, text: string): void {
    this.stop();
    this.#sink.onBadFrame(code, text);
  }
}

const streamAt = (buf: Buffer, p: number): number =>
  ((buf[p]! & 0x7f) << 24) | (buf[p + 1]! << 16) | (buf[p + 2]! << 8) | buf[p + 3]!;
