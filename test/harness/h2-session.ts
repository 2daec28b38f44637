// One end of an HTTP/2 connection without the meaning of its messages: frames in by hand, frames out over a real socket.
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { SETTINGS_ENABLE_PUSH } from '../../sidecar/http/h2/constants.ts';
import { Session } from '../../sidecar/http/h2/session.ts';
import { Stream } from '../../sidecar/http/h2/stream.ts';
import type { Head } from '../../sidecar/http/message/head.ts';
import { defaultLimits, type Limits } from '../../sidecar/limits/limits.ts';
import { Loop } from '../../sidecar/net/loop.ts';
import { nobody, Wire } from '../../sidecar/net/wire.ts';
import { connectedEnds, type Ends } from './ends.ts';
import { ACK, END_STREAM, errorOf, type Frame, FrameReader, settings } from './h2-frames.ts';
import { until } from './until.ts';

/** A stream that keeps what it is told. */
export class TestStream extends Stream {
  /** `end`, `gone …`, `writable`, `sent all`, `closed`, in order. */
  readonly events: string[] = [];
  received = '';
  /** What it does with each piece of content. */
  taking: () => void = () => {};

  onData(buf: Buffer, start: number, end: number): void {
    this.received += buf.toString('latin1', start, end);
    this.taking();
  }
  onEnd(): void {
    this.events.push('end');
  }
  onGone(_: number, text: string): void {
    this.events.push(`gone: ${text}`);
  }
  onWritable(): void {
    this.events.push('writable');
  }
  onSentAll(): void {
    this.events.push('sent all');
  }
  onClosed(): void {
    this.events.push('closed');
  }
}

/** Keeps what it is told, too. */
class TestSession extends Session {
  /** Field blocks: stream, `last` where it ends the message, and its octets. */
  readonly blocks: string[] = [];
  readonly events: string[] = [];
  lastStream = 0;

  constructor(wire: Wire, limits: Limits, client: boolean) {
    super(wire, limits);
    this.begin(client ? [[SETTINGS_ENABLE_PUSH, 0]] : []);
  }

  protected onBlock(stream: number, last: boolean, buf: Buffer, start: number, end: number): void {
    this.blocks.push(`${stream}${last ? ' last' : ''} ${buf.toString('latin1', start, end)}`);
  }
  isIdle(stream: number): boolean {
    return stream > this.lastStream;
  }
  onGoaway(last: number, code: number): undefined {
    this.events.push(`goaway ${last} ${code}`);
  }
  onSettings(): void {
    this.events.push('settings');
  }
  onPong(mark: number): undefined {
    this.events.push(`pong ${mark}`);
  }
  putTrailers(stream: Stream, trailers: Head): void {
    this.events.push(`trailers of ${stream.id}: ${trailers.count}`);
  }
  onStreamClosed(stream: Stream): void {
    this.events.push(`closed ${stream.id}`);
  }
  protected onGone(): void {
    this.events.push('gone');
  }
  onDeadline(): void {}
}

export interface SessionUnderTest extends AsyncDisposable {
  readonly session: TestSession;
  readonly clock: ManualClock;
  readonly far: Ends['far'];
  /** A new stream, which both ends know. */
  open(): TestStream;
  /** Frames of the other end, in one read. */
  hears(...frames: readonly Buffer[]): void;
  /** Runs `fn` as one turn of the loop. */
  turn(fn: () => void): void;
  /** What has been written since the last time, in words such as `DATA 1 END 5`. */
  said(): Promise<readonly string[]>;
  /** The same of a connection that has been ended, to its end. */
  lastWords(): Promise<readonly string[]>;
}

export interface SessionOptions {
  /** Those that differ from the defaults. */
  readonly limits?: Partial<Limits>;
  readonly client?: boolean;
  /** The SETTINGS of the other end; null: none have come. */
  readonly first?: Buffer | null;
}

export async function startSession(options: SessionOptions = {}): Promise<SessionUnderTest> {
  const ends = await connectedEnds();
  const { far } = ends;
  const clock = manualClock();
  const loop = new Loop(clock);
  const frames: Frame[] = [];
  const reader = new FrameReader();
  let ended = false;
  far.on('data', (octets: Buffer) => frames.push(...reader.read(octets)));
  far.on('end', () => {
    ended = true;
  });
  const wire = new Wire(ends.near, nobody, loop);
  let session: TestSession | undefined;
  loop.turn(() => {
    session = new TestSession(wire, { ...defaultLimits, ...options.limits }, options.client ?? false);
  });
  const told = session!;
  let marks = 0;
  const take = (): readonly string[] =>
    frames
      .splice(0)
      .filter((one) => !isMark(one))
      .map(inWords);
  const under: SessionUnderTest = {
    session: told,
    clock,
    far,
    open() {
      const stream = new TestStream(told);
      told.lastStream += told.lastStream === 0 ? 1 : 2;
      stream.open(told.lastStream);
      return stream;
    },
    hears(...said) {
      const octets = Buffer.concat(said);
      loop.turn(() => told.onOctets(octets, 0, octets.length));
    },
    turn: (fn) => loop.turn(fn),
    async said() {
      // What stands before the mark was written before.
      const mark = FIRST_MARK + marks++;
      loop.turn(() => told.ping(mark));
      await until('all of it has come', () =>
        frames.some((one) => isMark(one) && one.payload.readUInt32BE(4) === mark),
      );
      return take();
    },
    async lastWords() {
      await until('it has ended', () => ended);
      return take();
    },
    async [Symbol.asyncDispose]() {
      await ends[Symbol.asyncDispose]();
      await until('its connection is gone', () => wire.closed);
      loop.close();
    },
  };
  const { first = settings() } = options;
  if (first !== null) {
    under.hears(first);
    await under.said();
    told.events.length = 0;
  }
  return under;
}

/** Of PINGs that the harness sends. */
const FIRST_MARK = 0x7000_0000;
const isMark = ({ type, flags, payload }: Frame): boolean =>
  type === 'PING' && flags === 0 && payload.readUInt32BE(4) >= FIRST_MARK;

function inWords({ type, flags, stream, payload }: Frame): string {
  switch (type) {
    case 'DATA':
      return `DATA ${stream}${(flags & END_STREAM) !== 0 ? ' END' : ''} ${payload.length}`;
    case 'WINDOW_UPDATE':
      return `WINDOW_UPDATE ${stream} ${payload.readUInt32BE(0)}`;
    case 'RST_STREAM':
    case 'GOAWAY':
      return `${type} ${stream} ${errorOf({ type, flags, stream, payload, fields: [] })}`;
    default:
      return `${type}${(flags & ACK) !== 0 ? ' ACK' : ''} ${stream} ${payload.toString('hex')}`.trim();
  }
}
