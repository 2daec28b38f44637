import { manualClock } from '../../lib/clock.ts';
import { Loop } from '../../sidecar/net/loop.ts';
import { Wire, type WireOwner } from '../../sidecar/net/wire.ts';
import { connectedEnds, type Ends } from './ends.ts';
import { until } from './until.ts';

/** Keeps what it is told. */
interface Told extends WireOwner {
  text: string;
  readonly events: string[];
}

export interface Line extends AsyncDisposable {
  readonly loop: Loop;
  readonly wire: Wire;
  readonly owner: Told;
  readonly far: Ends['far'];
  /** All that has come to the other end. */
  heard(): Buffer;
  readonly heardOctets: number;
  write(text: string | Buffer): void;
}

/** A wire over a real connection, on a loop of its own. */
export async function line(): Promise<Line> {
  const ends = await connectedEnds();
  const loop = new Loop(manualClock());
  const owner: Told = {
    text: '',
    events: [],
    onOctets(buf, start, end) {
      owner.text += buf.toString('latin1', start, end);
    },
    onEnd: () => owner.events.push('end'),
    onClose: (error) => owner.events.push(`close${error === undefined ? '' : `: ${error.message}`}`),
    onDrained: () => owner.events.push('drained'),
  };
  const pieces: Buffer[] = [];
  let heardOctets = 0;
  ends.far.on('data', (octets: Buffer) => {
    pieces.push(octets);
    heardOctets += octets.length;
  });
  const wire = new Wire(ends.near, owner, loop);
  return {
    loop,
    wire,
    owner,
    far: ends.far,
    heard: () => Buffer.concat(pieces),
    get heardOctets() {
      return heardOctets;
    },
    write: (text) => wire.writeOctets(Buffer.from(text), 0, text.length),
    async [Symbol.asyncDispose]() {
      await ends[Symbol.asyncDispose]();
      await until('the wire is gone', () => wire.closed);
      loop.close();
    },
  };
}

const cycle = Uint8Array.from({ length: 253 }, (_, i) => (i * 7) % 253);
/** So many octets, of which neighbours differ. */
export const pattern = (octets: number): Buffer => Buffer.alloc(octets, cycle);

export const turnOfTheEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Resolves when the other end has heard as much; fails when it is not this. */
export async function hears(one: Line, octets: Buffer | string): Promise<void> {
  await until('it has come', () => one.heardOctets >= octets.length);
  expect(one.heard().equals(Buffer.from(octets))).toBe(true);
}
