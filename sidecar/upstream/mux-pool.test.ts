import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { WeftError } from '../../lib/errors.ts';
import { Loop } from '../net/loop.ts';
import { type Multiplexed, MuxPool } from './mux-pool.ts';

/** A connection that is none, with room for so many streams. */
class Line implements Multiplexed<string> {
  expiresMs = 0;
  active = 0;
  stalled = false;
  leaving = false;
  destroyed = false;
  readonly #most: number;
  readonly #name: string;
  constructor(name: string, most: number) {
    this.#name = name;
    this.#most = most;
  }
  get room(): number {
    return this.leaving ? 0 : this.#most - this.active;
  }
  takeStream(): string | undefined {
    if (this.room <= 0) return undefined;
    this.active++;
    return this.#name;
  }
  retire(): void {
    this.leaving = true;
  }
  destroy(): void {
    this.leaving = true;
    this.destroyed = true;
  }
}

let clock: ManualClock;
let loop: Loop;
let pool: MuxPool<string>;
let opening: { done(line: Line): void; fail(): void }[];
/** What became of each lease, by number. */
let outcomes: Map<number, string>;
let asked: number;

const spec = { id: 'a', address: '127.0.0.1', port: 1, weight: 1, identity: '', locality: '', version: '' };
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  clock = manualClock();
  opening = [];
  outcomes = new Map();
  asked = 0;
  loop = new Loop(clock);
  pool = new MuxPool<string>(
    spec,
    () => {
      const { promise, resolve, reject } = Promise.withResolvers<Line>();
      opening.push({ done: resolve, fail: () => reject(new WeftError('UPSTREAM_CONNECT')) });
      return promise;
    },
    loop,
  );
});

const lease = (): (() => void) => {
  const number = asked++;
  return pool.lease(
    1000,
    (stream) => outcomes.set(number, stream),
    (code) => outcomes.set(number, code),
  );
};
async function connect(line: Line): Promise<Line> {
  opening.shift()!.done(line);
  await settle();
  return line;
}

test('all who come at once share one connection', async () => {
  for (let i = 0; i < 5; i++) lease();
  expect(opening).toHaveLength(1);
  await connect(new Line('a', 100));
  expect([...outcomes.values()]).toEqual(Array(5).fill('a'));
  expect([pool.takeIdle(), pool.connections, opening.length]).toEqual(['a', 1, 0]);
});

test('another connection is opened when all streams of the first are taken', async () => {
  for (let i = 0; i < 3; i++) lease();
  await connect(new Line('a', 2));
  expect([outcomes.size, opening.length, pool.takeIdle()]).toEqual([2, 1, undefined]);
  await connect(new Line('b', 2));
  expect([outcomes.get(2), pool.takeIdle()]).toEqual(['b', 'b']);
});

test('one that waits for its windows is used on, while another one is opened', async () => {
  lease();
  const first = await connect(new Line('a', 100));
  first.stalled = true;
  expect([pool.takeIdle(), opening.length]).toEqual(['a', 1]);
  await connect(new Line('b', 100));
  expect([pool.takeIdle(), pool.takeIdle(), pool.takeIdle()]).toEqual(['b', 'b', 'b']);
});

test('who waits for a connection shares the outcome of the one that was tried', async () => {
  for (let i = 0; i < 3; i++) lease();
  opening.shift()!.fail();
  await settle();
  expect([...outcomes.values()]).toEqual(Array(3).fill('UPSTREAM_CONNECT'));
});

test('who waits for a stream of a full connection is not told of a connect that failed', async () => {
  lease();
  const first = await connect(new Line('a', 1));
  lease();
  opening.shift()!.fail();
  await settle();
  expect(outcomes.has(1)).toBe(false);
  first.active--;
  pool.changed();
  expect(outcomes.get(1)).toBe('a');
});

test('an endpoint that says goodbye with its first words is not asked again and again', async () => {
  lease();
  const line = new Line('a', 1);
  line.leaving = true;
  await connect(line);
  expect([outcomes.get(0), opening.length]).toEqual(['UPSTREAM_RESET', 0]);
});

test('who stops waiting gets nothing', async () => {
  lease()();
  await connect(new Line('a', 1));
  expect([outcomes.size, pool.takeIdle()]).toEqual([0, 'a']);
});

test('a connection whose opening began before the certificate changed is let go behind who waits for it', async () => {
  lease();
  pool.renew();
  const line = await connect(new Line('a', 10));
  expect([outcomes.get(0), line.leaving, pool.takeIdle()]).toEqual(['a', true, undefined]);
});

test('a pool that is destroyed tells who waits, opens nothing more, and keeps nothing that comes later', async () => {
  lease();
  pool.destroy();
  expect(outcomes.get(0)).toBe('DRAINING');
  lease();
  expect([outcomes.get(1), opening.length]).toEqual(['DRAINING', 1]);
  const late = await connect(new Line('a', 1));
  expect([late.destroyed || late.leaving, pool.takeIdle()]).toEqual([true, undefined]);
});

test('no more than 4096 wait, and no more than 16 connections are opened', async () => {
  for (let i = 0; i < 4097; i++) lease();
  expect(outcomes.get(4096)).toBe('OVERLOADED');
  for (let i = 0; i < 16; i++) await connect(new Line(`${i}`, 1));
  expect([opening.length, pool.connections]).toEqual([0, 16]);
});
