import { Frames, framed } from './frames.ts';

const messages = [Buffer.from('first'), Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(65_535, 7)];
const stream = Buffer.concat(messages.map(framed));

test('messages come whole, however they were split', () => {
  for (const size of [1, 2, 3, 7, 1000, stream.length]) {
    const frames = new Frames();
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...frames.take(stream.subarray(at, at + size)));
    expect(found.map((message) => message.toString('latin1'))).toEqual(
      messages.map((message) => message.toString('latin1')),
    );
  }
});
