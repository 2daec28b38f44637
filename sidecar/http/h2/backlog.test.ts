import { manualClock } from '../../../lib/clock.ts';
import { Loop } from '../../net/loop.ts';
import { Backlog } from './backlog.ts';

const loop = new Loop(manualClock());

/** Takes all of it, so many octets at a time. */
function drain(backlog: Backlog, step: number): Buffer {
  const pieces: Buffer[] = [];
  while (backlog.octets > 0) {
    const to = Math.min(backlog.end, backlog.start + step);
    pieces.push(Buffer.from(backlog.first.subarray(backlog.start, to)));
    backlog.takeTo(to);
  }
  return Buffer.concat(pieces);
}

const counted = (octets: number, from = 0): Buffer =>
  Buffer.from(Uint8Array.from({ length: octets }, (_, i) => (from + i) % 251));

test.each([1, 7, 255, 16_384, 200_000])('what waits comes out as it went in, %i octets at a time', (step) => {
  const backlog = new Backlog(loop);
  const all = counted(300_000);
  let at = 0;
  for (const size of [1, 200, 300, 16_383, 16_384, 100_000, 5, 166_727]) {
    backlog.push(all, at, at + size);
    at += size;
  }
  expect([at, backlog.octets]).toEqual([300_000, 300_000]);
  expect(drain(backlog, step).equals(all)).toBe(true);
});

test('more may come while some is taken', () => {
  const backlog = new Backlog(loop);
  const taken: Buffer[] = [];
  for (let n = 0; n < 50; n++) {
    backlog.push(counted(1000, n * 1000), 0, 1000);
    const to = Math.min(backlog.end, backlog.start + 700);
    taken.push(Buffer.from(backlog.first.subarray(backlog.start, to)));
    backlog.takeTo(to);
  }
  taken.push(drain(backlog, 4096));
  expect(Buffer.concat(taken).equals(counted(50_000))).toBe(true);
  expect([backlog.octets, backlog.start]).toEqual([0, 0]);
});

test('a few octets do not take a large buffer each', () => {
  const backlog = new Backlog(loop);
  backlog.push(Buffer.from('x'), 0, 1);
  expect(backlog.first.length).toBeLessThanOrEqual(256);
  backlog.clear();
});

test('large buffers go back to the loop, when they are empty and when all is given up', () => {
  const backlog = new Backlog(loop);
  const large = loop.takeBuffer();
  loop.giveBuffer(large);
  backlog.push(counted(20_000), 0, 20_000);
  expect(backlog.first).toBe(large);
  drain(backlog, 20_000);
  expect(loop.takeBuffer()).toBe(large);
  loop.giveBuffer(large);
  backlog.push(counted(20_000), 0, 20_000);
  backlog.clear();
  expect([backlog.octets, backlog.start]).toEqual([0, 0]);
  expect(loop.takeBuffer()).toBe(large);
});
