import { data, END_STREAM, frame, PADDED, settings, uint32 } from '../../../test/harness/h2-frames.ts';
import { type DataSink, FrameReader, type FrameSink } from './frame-reader.ts';

/** What the reader tells of these pieces, in words; content of one DATA frame is put together. */
function read(...pieces: readonly Buffer[]): readonly string[] {
  return reading().feed(...pieces);
}

function reading(): { feed(...pieces: readonly Buffer[]): readonly string[]; reader: FrameReader } {
  const told: string[] = [];
  let content = '';
  const sink: FrameSink & DataSink = {
    onFrame: (type, flags, stream, buf, start, end) =>
      told.push(`frame ${type} ${flags} ${stream} ${buf.toString('latin1', start, end)}`.trim()),
    onBadFrame: (code, text) => told.push(`bad ${code}: ${text}`),
    onDataFrame(stream, flags, length) {
      content = '';
      told.push(`data ${stream} ${flags} ${length}`);
    },
    onDataOctets(buf, start, end) {
      content += buf.toString('latin1', start, end);
    },
    onDataDone: () => told.push(`content ${content}`.trim()),
  };
  const reader = new FrameReader(sink, sink);
  return {
    reader,
    feed(...pieces) {
      for (const piece of pieces) reader.feed(piece, 0, piece.length);
      return told;
    },
  };
}

const padded = (stream: number, padding: number, content: string, flags = 0): Buffer =>
  frame('DATA', PADDED | flags, stream, Buffer.concat([Buffer.from([padding]), Buffer.from(content)]));

const FRAME_SIZE_ERROR = 6;
const PROTOCOL_ERROR = 1;
const MOST = 16_384;

test('frames are the same however they are split: at every octet, and octet by octet', () => {
  const octets = Buffer.concat([
    settings([3, 100]),
    frame('HEADERS', 4, 1, Buffer.from('a block')),
    data(1, 'hello'),
    data(1, ''),
    padded(1, 3, 'content\0\0\0'),
    frame('PING', 0, 0, Buffer.from('8 octets')),
    data(1, '!', END_STREAM),
  ]);
  const expected = [
    'frame 4 0 0 \0\x03\0\0\0d',
    'frame 1 4 1 a block',
    'data 1 0 5',
    'content hello',
    'data 1 0 0',
    'content',
    'data 1 8 11',
    'content content',
    'frame 6 0 0 8 octets',
    'data 1 1 1',
    'content !',
  ];
  expect(read(octets)).toEqual(expected);
  for (let at = 1; at < octets.length; at++)
    expect([at, read(octets.subarray(0, at), octets.subarray(at))]).toEqual([at, expected]);
  expect(read(...[...octets].map((octet) => Buffer.from([octet])))).toEqual(expected);
});

test('octets outside of what is given are not read', () => {
  const { reader, feed } = reading();
  const around = Buffer.concat([Buffer.from('xx'), frame('PING', 0, 0, Buffer.from('8 octets')), Buffer.from('yy')]);
  reader.feed(around, 2, around.length - 2);
  expect(feed()).toEqual(['frame 6 0 0 8 octets']);
});

describe('a payload of 16384 octets is taken, and of one more is not', () => {
  test.each(['HEADERS', 'DATA'] as const)('%s', (type) => {
    const most = frame(type, 0, 1, Buffer.alloc(MOST, 'x'));
    expect(read(most).at(-1)).toBe(`${type === 'DATA' ? 'content' : 'frame 1 0 1'} ${'x'.repeat(MOST)}`);
    // By its head alone: nothing of such a frame is waited for, or kept.
    const over = frame(type, 0, 1, Buffer.alloc(0), MOST + 1);
    const bad = [`bad ${FRAME_SIZE_ERROR}: a frame of more than 16384 octets`];
    expect(read(over)).toEqual(bad);
    expect(read(over.subarray(0, 8), over.subarray(8))).toEqual(bad);
  });

  test('all 24 bits of a length count', () => {
    expect(read(frame('PING', 0, 0, Buffer.alloc(0), 0x10000))).toEqual([expect.stringMatching(/^bad/)]);
    expect(read(frame('PING', 0, 0, Buffer.alloc(0), 0x100))).toEqual([]);
  });
});

test('a large frame that comes in many pieces is whole in the end', () => {
  const octets = frame('HEADERS', 4, 1, Buffer.from('0123456789abcdef'.repeat(1024)));
  const pieces = Array.from({ length: Math.ceil(octets.length / 100) }, (_, i) =>
    octets.subarray(i * 100, (i + 1) * 100),
  );
  expect(read(...pieces)).toEqual([`frame 1 4 1 ${'0123456789abcdef'.repeat(1024)}`]);
});

test('the reserved bit of a stream is ignored, and its other 31 are not', () => {
  expect(read(frame('PING', 0, 0x8000_0000, Buffer.from('8 octets')))).toEqual(['frame 6 0 0 8 octets']);
  expect(read(frame('DATA', 0, 0xffff_ffff))[0]).toBe(`data ${0x7fff_ffff} 0 0`);
});

test('types that nobody knows are frames like others', () => {
  const octets = frame('PING', 0xff, 5, Buffer.from('something'));
  octets[3] = 0xfa;
  expect(read(octets)).toEqual(['frame 250 255 5 something']);
});

describe('padding', () => {
  test.each([
    ['none', padded(1, 0, 'abc'), ['data 1 8 4', 'content abc']],
    ['two octets', padded(1, 2, 'abc\0\0', END_STREAM), ['data 1 9 6', 'content abc']],
    ['nothing but padding', padded(1, 3, '\0\0\0'), ['data 1 8 4', 'content']],
    ['of nothing', padded(1, 0, ''), ['data 1 8 1', 'content']],
    ['one more than there is', padded(1, 4, 'abc'), ['data 1 8 4', `bad ${PROTOCOL_ERROR}: more padding than payload`]],
    [
      'without the octet that tells of it',
      frame('DATA', PADDED, 1),
      [`bad ${FRAME_SIZE_ERROR}: DATA that says it is padded, and is empty`],
    ],
  ])('%s', (_, octets, expected) => {
    expect(read(octets)).toEqual(expected);
    expect(read(...[...octets].map((octet) => Buffer.from([octet])))).toEqual(expected);
  });

  test('of one frame is not taken for that of the next', () => {
    expect(read(padded(1, 1, 'a\0'), data(1, '\x01b'))).toEqual([
      'data 1 8 3',
      'content a',
      'data 1 0 2',
      'content \x01b',
    ]);
  });
});

test('content of DATA is told as it comes, and never kept', () => {
  const { feed, reader } = reading();
  const pieces: string[] = [];
  const sink = { onDataFrame() {}, onDataDone: () => pieces.push('done') };
  const other = new FrameReader(
    { onFrame() {}, onBadFrame() {} },
    { ...sink, onDataOctets: (buf, start, end) => void pieces.push(buf.toString('latin1', start, end)) },
  );
  const octets = data(1, 'abcdef');
  for (const [start, end] of [
    [0, 4],
    [4, 11],
    [11, 13],
    [13, 15],
  ] as const) {
    other.feed(octets, start, end);
    reader.feed(octets, start, end);
  }
  expect(pieces).toEqual(['ab', 'cd', 'ef', 'done']);
  expect(feed()).toEqual(['data 1 0 6', 'content abcdef']);
});

test('behind an error nothing is read any more', () => {
  const { feed, reader } = reading();
  feed(Buffer.concat([frame('HEADERS', 0, 1, Buffer.alloc(0), MOST + 1), settings()]), settings());
  expect(feed()).toHaveLength(1);
  expect(reader.stopped).toBe(true);
});

test.each([
  ['a frame', settings()],
  ['content', data(1, 'abc')],
])('whoever stops in the midst of %s hears no more of what came with it', (_, first) => {
  const told: string[] = [];
  const stop = (what: string) => (): void => {
    told.push(what);
    reader.stop();
  };
  const reader = new FrameReader(
    { onFrame: stop('frame'), onBadFrame: stop('bad') },
    { onDataFrame() {}, onDataOctets: stop('content'), onDataDone: stop('done') },
  );
  const octets = Buffer.concat([first, settings(), frame('PING', 0, 0, uint32(0))]);
  reader.feed(octets, 0, octets.length);
  expect(told).toHaveLength(1);
});
