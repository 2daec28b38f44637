// Blocks of fields by the rules of RFC 7541, and what a small one may cost.

import { h2Client, refusal } from '../harness/h2.ts';
import { END_HEADERS, END_STREAM, frame, headers, request, SETTING, settings, uint32 } from '../harness/h2-frames.ts';
import { indexed, integer, literals } from '../harness/hpack.ts';
import { grown, MB } from '../harness/memory.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';

let origin: Origin;
let sidecar: TestSidecar;
beforeAll(async () => {
  origin = await http1Origin('hello');
  sidecar = await startTestSidecar({ services: { web: [origin.address] } });
});
afterAll(async () => {
  await sidecar[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const open = (first?: Buffer) => h2Client(sidecar.outbound, { first });

async function unharmed(): Promise<void> {
  await using other = await open();
  await other.send(headers(1, request()));
  expect((await other.message(1)).body).toBe('hello');
}

describe('a block of fields', () => {
  const block = (octets: Buffer): Buffer => {
    const frames = [frame('HEADERS', END_STREAM, 1, octets.subarray(0, 16_384))];
    for (let at = 16_384; at < octets.length; at += 16_384)
      frames.push(frame('CONTINUATION', 0, 1, octets.subarray(at, at + 16_384)));
    frames[frames.length - 1]![4]! |= END_HEADERS;
    return Buffer.concat(frames);
  };
  const good = literals(request());
  /** References to what was last put into the table. */
  const bomb = (name: string, count: number): Buffer =>
    Buffer.concat([good, indexed(name, 'x'.repeat(3900)), Buffer.alloc(count, 0x80 | 62)]);

  test.each([
    ['ten thousand fields without name and value', Buffer.concat([good, Buffer.alloc(30_000)])],
    ['one large field referred to again and again', bomb('a', 16_000)],
    ['a large cookie referred to again and again', bomb('cookie', 60)],
    ['a large host referred to again and again', bomb('host', 60)],
    ['a thousand fields', Buffer.concat([good, literals(Array.from({ length: 1000 }, (_, n) => [`x${n}`, '']))])],
  ])('that is small and means much: %s', async (_, octets) => {
    await using peer = await open();
    const held = await grown(async () => {
      await peer.send(block(octets));
      expect(['431', '400', 'RST PROTOCOL_ERROR', 'RST ENHANCE_YOUR_CALM', 'GOAWAY ENHANCE_YOUR_CALM']).toContain(
        await refusal(peer, 1),
      );
    });
    expect(held).toBeLessThan(4 * MB);
    await unharmed();
  });

  test.each([
    ['an update of the table above what we offered', Buffer.concat([integer(0x20, 5, 2 ** 20), good])],
    ['an integer without end', Buffer.from('7fffffffffffffffffff0f', 'hex')],
    ['an integer that no number of JavaScript holds', Buffer.from('7f80ffffffffffffffff7f', 'hex')],
    ['an index beyond both tables', Buffer.from([0x80 | 70])],
    ['index 0', Buffer.from([0x80])],
    ['a string longer than the block', Buffer.from([0, 5, 0x61])],
    ['Huffman code with 8 octets of padding', Buffer.from([0, 0x82, 0x1f, 0xff, 1, 0x61])],
    ['Huffman code padded with zeros', Buffer.from([0, 0x81, 0x18, 1, 0x61])],
    ['Huffman code with EOS in it', Buffer.from([0, 0x84, 0xff, 0xff, 0xff, 0xff, 1, 0x61])],
  ])('that cannot be decoded: %s', async (_, octets) => {
    await using peer = await open();
    await peer.send(block(octets));
    expect(await peer.goaway()).toBe('COMPRESSION_ERROR');
    await unharmed();
  });

  test('a peer that allows us an endless table gets a modest one', async () => {
    const held = await grown(async () => {
      await using peer = await open(settings([SETTING.HEADER_TABLE_SIZE, 2 ** 32 - 1]));
      for (let n = 0; n < 50; n++) {
        await peer.send(headers(2 * n + 1, request({}, ['x', `${n}`.padEnd(4000, 'y')])));
        expect((await peer.message(2 * n + 1)).body).toBe('hello');
      }
    });
    expect(held).toBeLessThan(4 * MB);
  });

  test('SETTINGS with a value that there cannot be', async () => {
    for (const [pair, error] of [
      [[SETTING.ENABLE_PUSH, 2], 'PROTOCOL_ERROR'],
      [[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31], 'FLOW_CONTROL_ERROR'],
      [[SETTING.MAX_FRAME_SIZE, 16_383], 'PROTOCOL_ERROR'],
    ] as const) {
      await using peer = await open();
      await peer.send(settings(pair));
      expect(await peer.goaway()).toBe(error);
    }
    await using peer = await open();
    await peer.send(frame('SETTINGS', 0, 0, uint32(1)));
    expect(await peer.goaway()).toBe('FRAME_SIZE_ERROR');
  });
});
