import type { Socket } from 'node:net';
import type { Loop, Watched } from '../net/loop.ts';
import { Wire, type WireOwner } from '../net/wire.ts';

/** RFC 9113 section 3.4: what an HTTP/2 client says first. The first four octets are no method of HTTP/1.1. */
const PREFACE = Buffer.from('PRI ', 'latin1');

/** Time for the first octets of a connection; as long as HTTP/1.1 gives to a head. */
const FIRST_MS = 10_000;
const DRAIN_IDLE_MS = 500;

/** Takes the wire over; it hears of the octets that have come already first. */
export type TakeOver = (wire: Wire, protocol: 'h1' | 'h2') => WireOwner;

/** Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first octets, and hands the wire to whoever speaks it. */
export class Detect implements WireOwner, Watched {
  deadlineMs: number;
  watchIndex = -1;
  readonly #wire: Wire;
  readonly #takeOver: TakeOver;
  readonly #onGone: () => void;
  #first = Buffer.alloc(0);

  constructor(socket: Socket, loop: Loop, takeOver: TakeOver, onGone: () => void) {
    this.#wire = new Wire(socket, this, loop);
    this.#takeOver = takeOver;
    this.#onGone = onGone;
    this.deadlineMs = loop.nowMs + FIRST_MS;
    loop.watch(this);
  }

  onOctets(buf: Buffer, start: number, end: number): void {
    const early = this.#first.length;
    let same = 0;
    const octetAt = (index: number): number => (index < early ? this.#first[index]! : buf[start + index - early]!);
    const length = Math.min(early + end - start, PREFACE.length);
    while (same < length && octetAt(same) === PREFACE[same]) same++;
    if (same === length && length < PREFACE.length) {
      this.#first = Buffer.concat([this.#first, buf.subarray(start, end)]);
      return;
    }
    this.#wire.loop.unwatch(this);
    const owner = this.#takeOver(this.#wire, same === PREFACE.length ? 'h2' : 'h1');
    if (early > 0) owner.onOctets(this.#first, 0, early);
    if (!this.#wire.closed) owner.onOctets(buf, start, end);
  }

  /** While draining a caller that has said nothing yet gets a moment: its request may be on its way. */
  drain(): void {
    this.deadlineMs = Math.min(this.deadlineMs, this.#wire.loop.clock.now() + DRAIN_IDLE_MS);
  }

  destroy(): void {
    this.#wire.destroy();
  }

  onEnd(): void {
    this.destroy();
  }

  onClose(): void {
    this.#wire.loop.unwatch(this);
    this.#onGone();
  }

  onDrained(): void {}

  onDeadline(): void {
    this.destroy();
  }
}
