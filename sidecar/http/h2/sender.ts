import type { Head } from '../message/head.ts';
import * as h2 from './constants.ts';
import { putFrameHead } from './frame-writer.ts';
import type { Session } from './session.ts';
import type { Stream } from './stream.ts';

/** With its head such a frame fills one TLS record: the other end has it whole when it has decrypted one. */
const FRAME_OCTETS = h2.MAX_FRAME - h2.FRAME_HEAD;
/** Octets of one stream that are put out before another one has its turn. */
const TURN_OCTETS = 64 * 1024;

/** DATA as it goes out on one connection: as far as the other end's windows and the wire let it, fairly to all streams. */
export class Sender {
  /** Octets of DATA that the other end lets us send on the connection. */
  window = h2.DEFAULT_WINDOW;
  readonly #session: Session;
  readonly #queue: Stream[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  /** Sends of buf[start, end) what windows and wire let pass now; gives the position behind it. */
  putData(stream: Stream, buf: Buffer, start: number, end: number): number {
    const { wire } = this.#session;
    let left = Math.min(end - start, stream.sendWindow, this.window);
    if (left <= 0 || wire.crowded) return start;
    stream.sendWindow -= left;
    this.window -= left;
    let p = start;
    while (left > 0) {
      const n = Math.min(left, FRAME_OCTETS);
      const out = wire.room(h2.FRAME_HEAD + n);
      const at = wire.outLength;
      putFrameHead(out, at, n, h2.DATA, 0, stream.id);
      buf.copy(out, at + h2.FRAME_HEAD, p, p + n);
      stream.lastFrameAt = at;
      stream.lastFlush = wire.flushes;
      wire.advance(h2.FRAME_HEAD + n);
      this.#session.floods.sentData();
      p += n;
      left -= n;
    }
    return p;
  }

  /** The end of a message: a flag on its last DATA while that is still here, else a frame of its own. */
  putEnd(stream: Stream, trailers: Head | undefined): void {
    const { wire } = this.#session;
    if (trailers !== undefined) this.#session.putTrailers(stream, trailers);
    else if (stream.lastFlush === wire.flushes) wire.room(0)[stream.lastFrameAt + 4]! |= h2.END_STREAM;
    else {
      putFrameHead(wire.room(h2.FRAME_HEAD), wire.outLength, 0, h2.DATA, h2.END_STREAM, stream.id);
      wire.advance(h2.FRAME_HEAD);
    }
  }

  /** Something of this stream waits for a window or for the wire. */
  enqueue(stream: Stream): void {
    if (stream.queued) return;
    stream.queued = true;
    this.#queue.push(stream);
  }

  /** Sends what waits, one stream after the other, as far as windows and wire let it. */
  pump(): undefined {
    const queue = this.#queue;
    for (let left = queue.length; left > 0 && this.window > 0 && !this.#session.wire.crowded; left--) {
      const stream = queue.shift();
      // Those that have been sent may have ended others.
      if (stream === undefined) return;
      stream.queued = false;
      stream.sendPending(TURN_OCTETS);
      // With its own window closed, the update of that window brings it back.
      if (stream.buffered > 0 && stream.sendWindow > 0) {
        if (!stream.queued) left++;
        this.enqueue(stream);
      }
    }
  }

  /** The stream is over: an end that never opens its windows must not leave us with all that it has ended. */
  forget(stream: Stream): void {
    if (!stream.queued) return;
    stream.queued = false;
    this.#queue.splice(this.#queue.indexOf(stream), 1);
  }

  /** The connection is over. */
  clear(): void {
    this.#queue.length = 0;
  }
}
