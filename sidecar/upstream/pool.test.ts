import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { WeftError } from '../../lib/errors.ts';
import { Loop } from '../net/loop.ts';
import { Pool, type Pooled } from './pool.ts';

/** A connection that is none. */
class Line implements Pooled {
  dead = false;
  expiresMs = Number.POSITIVE_INFINITY;
  idleMs = 0;
  resting = false;
  readonly #pool: Pool<Line>;
  constructor(pool: Pool<Line>) {
    this.#pool = pool;
  }
  rest(): void {
    this.resting = true;
  }
  destroy(): void {
    if (this.dead) return;
    this.dead = true;
    this.#pool.forget(this);
  }
}

let clock: ManualClock;
let loop: Loop;
let pool: Pool<Line>;
/** Connects under way, in order. */
let opening: { done(): Line; fail(): void }[];
/** What became of each lease, by number. */
let outcomes: Map<number, Line | string>;
let asked: number;

const spec = { id: 'a', address: '127.0.0.1', port: 1, weight: 1, identity: '', locality: '', version: '' };
/** Lets promises settle. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  clock = manualClock();
  opening = [];
  outcomes = new Map();
  asked = 0;
  const open = (_: unknown, __: number, of: Pool<Line>): Promise<Line> => {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    opening.push({
      done() {
        const line = new Line(of);
        resolve(line);
        return line;
      },
      fail: () => reject(new WeftError('UPSTREAM_CONNECT')),
    });
    return promise;
  };
  loop = new Loop(clock);
  pool = new Pool(spec, open, loop);
});

const lease = (): (() => void) => {
  const number = asked++;
  return pool.lease(
    1000,
    (line) => outcomes.set(number, line),
    (code) => outcomes.set(number, code),
  );
};
async function connect(): Promise<Line> {
  const line = opening.shift()!.done();
  await settle();
  return line;
}

test('a connection that is given back is the next to be taken, the one used last first', async () => {
  lease();
  lease();
  const [a, b] = [await connect(), await connect()];
  expect(pool.takeIdle()).toBeUndefined();
  pool.release(a, -1);
  pool.release(b, -1);
  expect([a.resting, a.idleMs]).toEqual([true, 50_000]);
  expect([pool.takeIdle(), pool.takeIdle(), pool.takeIdle()]).toEqual([b, a, undefined]);
});

test('a connection rests for a second less than the other end keeps it', async () => {
  lease();
  const line = await connect();
  pool.release(line, 5);
  expect(line.idleMs).toBe(4000);
  pool.takeIdle();
  pool.release(line, 1);
  expect(line.dead).toBe(true);
});

test('each failed connect fails one request, the one that has waited longest', async () => {
  for (let i = 0; i < 3; i++) lease();
  opening[1]!.fail();
  await settle();
  expect([...outcomes]).toEqual([[0, 'UPSTREAM_CONNECT']]);
  opening.splice(1, 1);
  const line = await connect();
  expect(outcomes.get(1)).toBe(line);
});

test('who waits gets a connection that is given back before one that is being opened', async () => {
  lease();
  const line = await connect();
  lease();
  pool.release(line, -1);
  expect(outcomes.get(1)).toBe(line);
  const spare = await connect();
  expect([spare.resting, pool.takeIdle()]).toEqual([true, spare]);
});

test('who stops waiting gets nothing, and the connection that was opened for it is kept', async () => {
  lease()();
  const line = await connect();
  expect([outcomes.size, pool.takeIdle()]).toEqual([0, line]);
});

test('at most 1024 are open; whose place gets free is opened for who waits, also after a failure', async () => {
  for (let i = 0; i < 1024; i++) lease();
  const lines: Line[] = [];
  while (opening.length > 0) lines.push(await connect());
  for (let i = 0; i < 3; i++) lease();
  expect([pool.connections, opening.length]).toEqual([1024, 0]);
  lines[0]!.destroy();
  expect(opening).toHaveLength(1);
  opening.shift()!.fail();
  await settle();
  expect([outcomes.get(1024), opening.length]).toEqual(['UPSTREAM_CONNECT', 1]);
  const line = await connect();
  expect(outcomes.get(1025)).toBe(line);
});

test('a connection that carries a tunnel takes no place that a request could have, and ends with the pool', async () => {
  for (let i = 0; i < 1024; i++) lease();
  const lines: Line[] = [];
  while (lines.length < 1024) lines.push(await connect());
  lease();
  expect(opening).toHaveLength(0);
  pool.lend(lines[0]!);
  expect([pool.connections, opening.length]).toEqual([1024, 1]);
  const line = await connect();
  expect([outcomes.get(1024), pool.connections]).toEqual([line, 1025]);
  pool.lend(line);
  line.destroy();
  expect(pool.connections).toBe(1024);
  pool.close();
  expect(lines[0]!.dead).toBe(false);
  pool.destroy();
  expect([lines[0]!.dead, pool.connections]).toEqual([true, 0]);
});

test('more than 4096 do not wait', () => {
  for (let i = 0; i < 4097; i++) lease();
  expect(outcomes.get(4096)).toBe('OVERLOADED');
});

test('a connection is not used for more than an hour', async () => {
  lease();
  const line = await connect();
  clock.advance(3_600_001);
  loop.turn(() => pool.release(line, -1));
  expect(line.dead).toBe(true);
});

test('a pool that closes lets go of the idle now, of the busy as they end, and serves who waits already', async () => {
  lease();
  lease();
  const [idle, busy] = [await connect(), await connect()];
  pool.release(idle, -1);
  lease();
  lease();
  pool.close();
  expect([idle.dead, busy.dead]).toEqual([true, false]);
  const late = await connect();
  expect(outcomes.get(2)).toBe(late);
  pool.release(busy, -1);
  expect(outcomes.get(3)).toBe(busy);
  pool.release(late, -1);
  pool.release(busy, -1);
  expect([late.dead, busy.dead, pool.connections]).toEqual([true, true, 0]);
});

test('a pool that is destroyed tells who waits, and keeps nothing that comes later', async () => {
  lease();
  const busy = await connect();
  lease();
  pool.destroy();
  expect([busy.dead, outcomes.get(1)]).toEqual([true, 'DRAINING']);
  const late = await connect();
  expect([late.dead, pool.connections]).toEqual([true, 0]);
});
