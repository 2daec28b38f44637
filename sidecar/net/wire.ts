import type { Socket } from 'node:net';
import { abruptly, directWrite, isForgotten, onRead, putText, setReading } from './adapter.ts';
import type { Flushable, Loop, Reader } from './loop.ts';

/** Who hears of what happens on a wire. Every call comes within a turn of the loop. */
export interface WireOwner {
  /** Octets came; they are gone when this returns. */
  onOctets(buf: Buffer, start: number, end: number): void;
  /** The other end will send no more. */
  onEnd(): void;
  /** The wire is gone, once, in whatever way. */
  onClose(error: Error | undefined): void;
  /** Output that had piled up is on its way: go on reading from wherever it comes. */
  onDrained(): void;
}

/** Hears nothing: for the moment between a connection and the one who speaks on it. */
export const nobody: WireOwner = { onOctets() {}, onEnd() {}, onClose() {}, onDrained() {} };

/** Above this much output in waiting, whoever produces it should pause. */
const HIGH_OCTETS = 64 * 1024;
/** From this much on it is written at the end of this turn at the latest, and exchanges that share a wire wait: what fits a pooled buffer. */
const CROWD_OCTETS = 64 * 1024;

/** How long a write to a peer that sends no more may seem to have been forgotten. */
const DOUBT_MS = 1000;

/**
 * One TCP or TLS connection: octets in through the loop's read buffer, octets out through one buffer that is written
 * once at the end of a turn. Owns the socket.
 */
export class Wire implements Flushable, Reader {
  readonly socket: Socket;
  readonly loop: Loop;
  owner: WireOwner;
  closed = false;
  resting = false;
  octetsIn = 0;
  octetsOut = 0;
  #out: Buffer | undefined;
  #length = 0;
  #dirty = false;
  /** The buffer that the kernel or TLS has not taken in full yet. */
  #inFlight: Buffer | undefined;
  #inFlightLength = 0;
  #ending = false;
  #paused = false;
  #congested = false;
  /** Many exchanges share it: what they say in one turn of the event loop goes out in one write. */
  shared = false;

  constructor(socket: Socket, owner: WireOwner, loop: Loop) {
    this.socket = socket;
    this.owner = owner;
    this.loop = loop;
    onRead(socket, loop.readBuffer, (buf, length) => {
      if (this.closed) return;
      this.octetsIn += length;
      loop.enter();
      this.owner.onOctets(buf, 0, length);
      loop.leave();
      if (loop.hasReadEnough(this, length) && !this.closed) setReading(this.socket, false);
    });
    socket.on('end', () => {
      loop.turn(() => this.closed || this.owner.onEnd());
      this.#doubt();
    });
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => loop.turn(() => this.#gone(failure)));
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** How often output has been handed on; what was put together since the last time can still be changed. */
  flushes = 0;

  /**
   * True when so much output has been put together that whoever has a choice should wait for `onDrained`, which is then
   * sure to come. For connections that many exchanges share.
   */
  get crowded(): boolean {
    if (this.#length < CROWD_OCTETS && !this.#congested) return false;
    this.#congested = true;
    return true;
  }

  /** Octets of output that have been put together or are on their way to the kernel. */
  get pending(): number {
    return this.#length + this.#inFlightLength;
  }

  /** True while more output should wait for `onDrained`. */
  get congested(): boolean {
    return this.#congested;
  }

  pause(): void {
    if (this.#paused || this.closed) return;
    this.#paused = true;
    setReading(this.socket, false);
  }

  resume(): void {
    if (!this.#paused || this.closed) return;
    this.#paused = false;
    if (!this.resting) setReading(this.socket, true);
  }

  readOn(): void {
    if (!this.#paused && !this.closed) setReading(this.socket, true);
  }

  /** Makes room for `octets` more; gives the buffer to fill from `outLength` on. `advance` says how many were put in. */
  room(octets: number): Buffer {
    const out = this.#out;
    if (out !== undefined && out.length - this.#length >= octets) return out;
    return this.#moreRoom(octets);
  }

  get outLength(): number {
    return this.#length;
  }

  advance(octets: number): void {
    this.#length += octets;
    if (!this.#dirty) {
      this.#dirty = true;
      if ((this.shared || this.loop.gathering) && this.#length < CROWD_OCTETS) this.loop.markLate(this);
      else this.loop.markDirty(this);
    } else if (this.#length >= CROWD_OCTETS && this.#length - octets < CROWD_OCTETS) this.loop.markDirty(this);
  }

  #moreRoom(octets: number): Buffer {
    const old = this.#out;
    if (old === undefined) {
      const fresh = this.loop.takeBuffer();
      this.#out = fresh.length >= octets ? fresh : Buffer.allocUnsafeSlow(octets);
      return this.#out;
    }
    const larger = Buffer.allocUnsafeSlow(Math.max(old.length * 2, this.#length + octets));
    old.copy(larger, 0, 0, this.#length);
    this.loop.giveBuffer(old);
    this.#out = larger;
    return larger;
  }

  writeOctets(from: Buffer, start: number, end: number): void {
    if (end <= start || this.closed) return;
    const out = this.room(end - start);
    from.copy(out, this.#length, start, end);
    this.advance(end - start);
  }

  /** Text of octets: one character is one octet. */
  writeText(text: string): void {
    if (this.closed) return;
    const out = this.room(text.length);
    this.advance(putText(out, text, this.#length));
  }

  /** True when the kernel or TLS has all of the output. */
  get flushed(): boolean {
    return this.#inFlight === undefined && this.#length === 0;
  }

  /** Sends what has been put together. Called by the loop. */
  flush(): void {
    this.#dirty = false;
    if (this.closed || this.#inFlight !== undefined || this.#length === 0) {
      if (this.#inFlight !== undefined && this.#length > HIGH_OCTETS) this.#congested = true;
      return;
    }
    const out = this.#out!;
    const length = this.#length;
    this.octetsOut += length;
    this.flushes++;
    this.#out = undefined;
    this.#length = 0;
    this.#inFlight = out;
    this.#inFlightLength = length;
    if (directWrite(this.socket, this.loop.view(out, length), this.#onWritten)) {
      this.#inFlight = undefined;
      this.#inFlightLength = 0;
      this.loop.giveBuffer(out);
      if (this.#congested) this.#drained();
    } else {
      if (length > HIGH_OCTETS && this.#inFlight !== undefined) this.#congested = true;
      if (this.socket.readableEnded) this.#doubt();
    }
  }

  /** A peer that sends no more may be gone, and Node forgets some writes to such a one: nobody would hear of it again. */
  #doubt(): void {
    if (this.#inFlight === undefined) return;
    const { flushes } = this;
    this.loop.clock.after(DOUBT_MS, () => {
      if (this.flushes === flushes && this.#inFlight !== undefined && !this.closed && isForgotten(this.socket))
        this.socket.destroy(new Error('the connection broke before it was written to'));
    });
  }

  readonly #onWritten = (): void => {
    const out = this.#inFlight;
    if (out === undefined) return;
    this.#inFlight = undefined;
    this.#inFlightLength = 0;
    this.loop.giveBuffer(out);
    if (this.closed) return;
    this.loop.turn(() => {
      if (this.#length > 0) this.flush();
      if (this.flushed) {
        if (this.#ending) this.socket.end();
        if (this.#congested) this.#drained();
      }
    });
  };

  #drained(): void {
    this.#congested = false;
    this.owner.onDrained();
  }

  /** Sends what is left, then says that no more will come. Reading goes on. */
  end(): void {
    if (this.#ending || this.closed) return;
    this.#ending = true;
    if (this.#length > 0) this.flush();
    if (this.#inFlight === undefined) this.socket.end();
  }

  get ending(): boolean {
    return this.#ending;
  }

  destroy(): void {
    if (this.closed) return;
    // What was put together in this turn still goes out (an answer before a close), as far as the kernel takes it now.
    if (this.#length > 0) this.flush();
    this.socket.destroy();
    this.#gone(undefined);
  }

  /** Ends with a reset, as far as the transport has one: the other end sees that what it has is not all. */
  abort(): void {
    if (this.closed) return;
    if (abruptly(this.socket)) this.#gone(undefined);
    else this.destroy();
  }

  #gone(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    if (this.#out !== undefined) this.loop.giveBuffer(this.#out);
    this.#out = undefined;
    this.#length = 0;
    this.owner.onClose(error);
  }
}
