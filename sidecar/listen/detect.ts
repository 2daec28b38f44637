import type { Socket } from 'node:net';
import type { ListenerContext } from '../http/context.ts';
import type { Watched } from '../net/loop.ts';
import { Wire, type WireOwner } from '../net/wire.ts';
import { type Spoken, spokenBy } from './spoken.ts';

/** Takes the wire over, and gives who hears of it from now on: of the octets that have come already first. */
export type TakeOver = (wire: Wire, spoken: Spoken) => WireOwner;

/** Waits for the first octets of a connection, and hands the wire to whoever speaks what they say. */
export class Detect implements WireOwner, Watched {
  deadlineMs: number;
  watchIndex = -1;
  readonly #wire: Wire;
  readonly #context: ListenerContext;
  /** False: what is no HTTP/2 goes to HTTP/1.1, which refuses what is none. */
  readonly #opaqueToo: boolean;
  readonly #takeOver: TakeOver;
  readonly #onGone: () => void;
  #first: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, context: ListenerContext, opaqueToo: boolean, takeOver: TakeOver, onGone: () => void) {
    const { loop, limits } = context;
    this.#context = context;
    this.#opaqueToo = opaqueToo;
    this.#takeOver = takeOver;
    this.#onGone = onGone;
    this.#wire = new Wire(socket, this, loop);
    this.deadlineMs = loop.nowMs + (opaqueToo ? limits.detectMs : limits.headMs);
    loop.watch(this);
  }

  onOctets(buf: Buffer, start: number, end: number): void {
    const early = this.#first;
    const all = early.length === 0 ? buf.subarray(start, end) : Buffer.concat([early, buf.subarray(start, end)]);
    const spoken = spokenBy(all, this.#opaqueToo);
    if (spoken === undefined) this.#first = early.length === 0 ? Buffer.from(all) : all;
    else this.#hand(spoken, all);
  }

  #hand(spoken: Spoken, octets: Buffer): void {
    const wire = this.#wire;
    this.#context.loop.unwatch(this);
    const owner = this.#takeOver(wire, spoken);
    if (octets.length > 0 && !wire.closed) owner.onOctets(octets, 0, octets.length);
  }

  /** While draining a caller that has said nothing yet gets a moment: its request may be on its way. */
  drain(): void {
    const { loop, limits } = this.#context;
    this.deadlineMs = Math.min(this.deadlineMs, loop.clock.now() + limits.drainIdleMs);
  }

  destroy(): void {
    this.#wire.destroy();
  }

  /** It has said all that it will ever say; whoever takes it over hears of that, too. */
  onEnd(): void {
    const wire = this.#wire;
    if (this.#opaqueToo) this.#hand('opaque', this.#first);
    else this.destroy();
    if (!wire.closed && wire.owner !== this) wire.owner.onEnd();
  }

  onClose(): void {
    this.#context.loop.unwatch(this);
    this.#onGone();
  }

  onDrained(): void {}

  /** Whoever says nothing, or nothing clear, may be waiting for the service to speak. */
  onDeadline(): void {
    if (this.#opaqueToo && !this.#context.draining()) this.#hand('opaque', this.#first);
    else this.destroy();
  }
}
