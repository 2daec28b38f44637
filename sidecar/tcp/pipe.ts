import type { Socket } from 'node:net';
import type { ErrorCode } from '../../lib/errors.ts';
import type { Loop, Watched } from '../net/loop.ts';
import { Wire, type WireOwner } from '../net/wire.ts';

/** A peer that vanished without a word is noticed by the system, however long the pipe may rest. */
const KEEP_ALIVE_MS = 60_000;

/** Who counts what moves. */
export interface Moved {
  toService(octets: number): void;
  toCaller(octets: number): void;
}

/** Makes the wire of an owner; the socket is there already. */
export type OpenWire = (owner: WireOwner) => Wire;

/** One end of a pipe: what comes in here goes out at the other end. */
class Side implements WireOwner {
  readonly #pipe: Pipe;
  wire: Wire | undefined = undefined;
  other: Side | undefined = undefined;
  /** Its peer has said that no more will come. */
  done = false;
  closed = false;
  /** What came before the other end was there: one read, and what TLS still had of it. */
  held: Buffer[] = [];

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  attach(wire: Wire): void {
    this.wire = wire;
    wire.owner = this;
    // What several reads of one turn bring goes out in one write.
    wire.shared = true;
    wire.socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  onOctets(buf: Buffer, start: number, end: number): void {
    this.#pipe.took(this, end - start);
    const to = this.other?.wire;
    if (to === undefined) {
      this.held.push(Buffer.from(buf.subarray(start, end)));
      this.wire?.pause();
      return;
    }
    to.writeOctets(buf, start, end);
    if (to.crowded) this.wire?.pause();
  }

  onEnd(): void {
    this.done = true;
    this.#pipe.moved();
    this.other?.wire?.end();
  }

  onDrained(): void {
    this.other?.wire?.resume();
  }

  onClose(error: Error | undefined): void {
    this.closed = true;
    this.#pipe.sideClosed(this, error);
  }
}

/**
 * Two connections of which each says what the other hears. Half-closed stays half-closed, a reset is a reset on the
 * other side, and whoever reads slowly makes the other end wait: memory is bounded by a few buffers for each direction.
 * Begins with the downstream end; all functions run within a turn of the loop.
 */
export class Pipe implements Watched {
  deadlineMs: number;
  watchIndex = -1;
  readonly #loop: Loop;
  readonly #idleMs: number;
  readonly #counts: Moved;
  readonly #onOver: (code: ErrorCode | '') => void;
  readonly #downstream: Side;
  readonly #upstream: Side;
  #movedMs: number;
  #code: ErrorCode | '' = '';
  #over = false;

  /**
   * `idleMs`: how long nothing may move before it is ended. `onOver`: both ends are gone, once; with '' when each had
   * said that no more will come.
   */
  constructor(open: OpenWire, loop: Loop, idleMs: number, counts: Moved, onOver: (code: ErrorCode | '') => void) {
    this.#loop = loop;
    this.#idleMs = idleMs;
    this.#counts = counts;
    this.#onOver = onOver;
    this.#downstream = new Side(this);
    this.#upstream = new Side(this);
    this.#downstream.attach(open(this.#downstream));
    this.#movedMs = loop.nowMs;
    this.deadlineMs = loop.nowMs + idleMs;
    loop.watch(this);
  }

  /** Who hears of the downstream end. */
  get owner(): WireOwner {
    return this.#downstream;
  }

  get over(): boolean {
    return this.#over;
  }

  /** The upstream end is there: begins with what the caller has said meanwhile. The pipe must not be over. */
  join(socket: Socket): void {
    const [down, up] = [this.#downstream, this.#upstream];
    up.attach(new Wire(socket, up, this.#loop));
    down.other = up;
    up.other = down;
    for (const piece of down.held) up.wire?.writeOctets(piece, 0, piece.length);
    down.held = [];
    if (down.done) up.wire?.end();
    else down.wire?.resume();
    this.moved();
  }

  /** Breaks both ends off: neither can take what it has got for all there is. */
  close(code: ErrorCode): void {
    if (this.#over) return;
    if (this.#code === '') this.#code = code;
    this.#downstream.wire?.abort();
    this.#upstream.wire?.abort();
  }

  /** Octets have come in at one side. */
  took(side: Side, octets: number): void {
    this.moved();
    if (side === this.#downstream) this.#counts.toService(octets);
    else this.#counts.toCaller(octets);
  }

  moved(): void {
    this.#movedMs = this.#loop.nowMs;
  }

  sideClosed(side: Side, error: Error | undefined): void {
    const other = side === this.#downstream ? this.#upstream : this.#downstream;
    const orderly = error === undefined && side.done && other.done;
    if (!orderly) this.close(side === this.#downstream ? 'DOWNSTREAM_GONE' : 'UPSTREAM_RESET');
    if (this.#over || !(other.closed || other.wire === undefined)) return;
    this.#over = true;
    this.#loop.unwatch(this);
    this.#onOver(this.#code);
  }

  onDeadline(nowMs: number): void {
    // Set anew only when it is met, so that moving octets costs one assignment.
    const due = this.#movedMs + this.#idleMs;
    if (due > nowMs) this.deadlineMs = due;
    else this.close('STREAM_IDLE');
  }
}
