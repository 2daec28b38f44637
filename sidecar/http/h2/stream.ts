import type { Head } from '../message/head.ts';
import { Backlog } from './backlog.ts';
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
  readonly #backlog: Backlog;
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
    this.#backlog = new Backlog(session.loop);
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
    session.streams.add(this);
  }

  #dropPending(): void {
    this.#backlog.clear();
    this.#endPending = false;
    this.#trailersPending = undefined;
  }

  /** Octets that wait. */
  get buffered(): number {
    return this.#backlog.octets;
  }

  /** True while more should wait for `onWritable`. */
  get congested(): boolean {
    return this.buffered > 0;
  }

  sendData(buf: Buffer, start: number, end: number): void {
    if (this.localClosed) return;
    let p = start;
    if (this.buffered === 0) p = this.session.sender.putData(this, buf, start, end);
    if (p === end) return;
    this.#backlog.push(buf, p, end);
    this.session.sender.enqueue(this);
  }

  /** The end of our message. */
  sendLast(trailers: Head | undefined): void {
    if (this.localClosed) return;
    if (this.buffered > 0) {
      this.#endPending = true;
      this.#trailersPending = trailers?.copy();
      return;
    }
    this.session.sender.putEnd(this, trailers);
    this.closeLocal();
  }

  /** Sends of what waits as much as the windows let pass, at most about `octets`. */
  sendPending(octets: number): void {
    const backlog = this.#backlog;
    for (let left = octets; backlog.octets > 0 && left > 0; ) {
      const { start, end } = backlog;
      const p = this.session.sender.putData(this, backlog.first, start, end);
      backlog.takeTo(p);
      left -= p - start;
      if (p < end) return;
    }
    if (this.buffered > 0) return;
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
