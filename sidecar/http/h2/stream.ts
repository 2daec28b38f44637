import type { Head } from '../message/head.ts';
import type { Session } from './session.ts';

/**
 * One stream of a connection (RFC 9113 section 5): what is sent waits here while the other end's windows are closed, and
 * windows of our own open again only as what came is passed on. The two ends, server-stream.ts and client-stream.ts, say
 * what its messages mean.
 */
export abstract class Stream {
  readonly session: Session;
  id = 0;
  /** Octets of DATA that the other end lets us send; below 0 after it has lowered its settings. */
  sendWindow = 0;
  /** Octets of DATA that the other end may still send. */
  receiveWindow = 0;
  /** Octets that came and have not been given back to its window. */
  unacked = 0;
  /** Of these, what came while whoever takes it was paused. */
  heldBack = 0;
  paused = false;
  /** We have sent END_STREAM, or a reset. */
  localClosed = false;
  /** The other end has. */
  remoteClosed = false;
  /** DATA of ours that the windows or the wire do not let pass yet. Bounded: its source is paused meanwhile. */
  #pending: Buffer[] = [];
  pendingOctets = 0;
  #endPending = false;
  #trailersPending: Head | undefined;
  /** It waits in the session's list of those that have something to send. */
  queued = false;
  /** Where its last DATA frame stands in the output, and the output of which flush: it may still become the last. */
  lastFrameAt = 0;
  lastFlush = -1;
  /** Octets of content still to come where content-length announced them; -1: it did not. RFC 9113 section 8.1.1. */
  contentLeft = -1;

  constructor(session: Session) {
    this.session = session;
  }

  abstract onData(buf: Buffer, start: number, end: number): void;
  /** The other end has sent all of its message; `trailers` are gone when this returns. */
  abstract onEnd(trailers: Head | undefined): void;
  /** The stream was reset, or its connection is gone. Nothing more comes, and nothing more can be sent. */
  abstract onGone(code: number, text: string): void;
  /** What waited has been sent: more may come. */
  abstract onWritable(): void;
  /** Our message is complete, and the other end's is not. */
  abstract onSentAll(): void;
  /** It is over for both ends; the object may be used again. */
  abstract onClosed(): void;

  open(id: number): void {
    const { session } = this;
    this.id = id;
    this.sendWindow = session.peerWindow;
    this.receiveWindow = session.limits.streamWindow;
    this.unacked = 0;
    this.heldBack = 0;
    this.paused = false;
    this.localClosed = false;
    this.remoteClosed = false;
    this.#dropPending();
    this.lastFlush = -1;
    this.contentLeft = -1;
    session.streams.set(id, this);
  }

  #dropPending(): void {
    if (this.#pending.length > 0) this.#pending = [];
    this.pendingOctets = 0;
    this.#endPending = false;
    this.#trailersPending = undefined;
  }

  get buffered(): number {
    return this.pendingOctets;
  }

  /** True while more should wait for `onWritable`. */
  get congested(): boolean {
    return this.pendingOctets > 0;
  }

  sendData(buf: Buffer, start: number, end: number): void {
    if (this.localClosed) return;
    let p = start;
    if (this.pendingOctets === 0) p = this.session.sender.putData(this, buf, start, end);
    if (p === end) return;
    this.#pending.push(Buffer.from(buf.subarray(p, end)));
    this.pendingOctets += end - p;
    this.session.sender.enqueue(this);
  }

  /** The end of our message. */
  sendLast(trailers: Head | undefined): void {
    if (this.localClosed) return;
    if (this.pendingOctets > 0) {
      this.#endPending = true;
      this.#trailersPending = trailers?.copy();
      return;
    }
    this.session.sender.putEnd(this, trailers);
    this.closeLocal();
  }

  /** Sends of what waits as much as the windows let pass, at most about `octets`. */
  sendPending(octets: number): void {
    let left = octets;
    while (this.pendingOctets > 0 && left > 0) {
      const piece = this.#pending[0]!;
      const p = this.session.sender.putData(this, piece, 0, piece.length);
      this.pendingOctets -= p;
      left -= p;
      if (p < piece.length) {
        this.#pending[0] = piece.subarray(p);
        return;
      }
      this.#pending.shift();
    }
    if (this.pendingOctets > 0) return;
    if (this.#endPending) {
      this.session.sender.putEnd(this, this.#trailersPending);
      this.#dropPending();
      this.closeLocal();
    } else this.onWritable();
  }

  closeLocal(): void {
    this.localClosed = true;
    if (this.remoteClosed) this.session.close(this);
    else this.onSentAll();
  }

  /** The other end says that its message is complete. */
  closeRemote(trailers: Head | undefined): void {
    if (this.remoteClosed) return;
    this.remoteClosed = true;
    this.onEnd(trailers);
    if (this.localClosed && this.session.streams.get(this.id) === this) this.session.close(this);
  }

  /** What came waits somewhere: the other end is not told to send more. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.session.released(this);
  }

  /** Ends the stream at once; its message, if one is under way, is not complete. */
  reset(code: number): undefined {
    if (this.session.streams.get(this.id) === this) this.session.resetStream(this, code);
  }

  /** The connection closes it. */
  abandon(code: number, text: string): void {
    this.localClosed = true;
    this.remoteClosed = true;
    this.#dropPending();
    this.onGone(code, text);
  }
}
