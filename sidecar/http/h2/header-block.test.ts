import { data, END_HEADERS, END_STREAM, frame, settings, uint32 } from '../../../test/harness/h2-frames.ts';
import { startSession } from '../../../test/harness/h2-session.ts';
import { defaultLimits } from '../../limits/limits.ts';
import { HeaderBlock } from './header-block.ts';

const limits = { ...defaultLimits, continuations: 3 };
const MOST = 64 * 1024;

function begun(first = 'first'): { block: HeaderBlock; add(text: string | Buffer, last?: boolean): string } {
  const block = new HeaderBlock(limits);
  const octets = Buffer.from(first);
  block.begin(1, true, octets, 0, octets.length);
  return {
    block,
    add(text, last = false) {
      const piece = Buffer.from(text);
      return block.add(piece, 0, piece.length, last);
    },
  };
}
const textOf = ({ buf, length }: HeaderBlock): string => buf.toString('latin1', 0, length);

describe('the pieces of a block', () => {
  test('are put together, in order', () => {
    const { block, add } = begun('one ');
    expect(add('two ')).toBe('more');
    expect(add('three', true)).toBe('whole');
    expect([block.stream, block.endStream, textOf(block)]).toEqual([1, true, 'one two three']);
  });

  test('may be as many as the limit says, and one more is a flood', () => {
    const { add } = begun();
    expect(['a', 'b', 'c', 'd'].map((piece) => add(piece))).toEqual(['more', 'more', 'more', 'flood']);
    const other = begun();
    other.add('a');
    other.add('b');
    expect(other.add('c', true)).toBe('whole');
  });

  test('may be empty once, besides the last one', () => {
    expect(begun().add('')).toBe('more');
    const { add } = begun();
    add('');
    expect(add('', true)).toBe('whole');
    const other = begun();
    other.add('');
    expect(other.add('')).toBe('flood');
  });

  test('may have 64 KiB together, and one octet more is a flood of which nothing is kept', () => {
    const { block, add } = begun('x'.repeat(16 * 1024));
    expect(add(Buffer.alloc(32 * 1024))).toBe('more');
    expect(add(Buffer.alloc(16 * 1024), true)).toBe('whole');
    expect(block.length).toBe(MOST);
    const other = begun('x'.repeat(16 * 1024));
    other.add(Buffer.alloc(32 * 1024));
    expect(other.add(Buffer.alloc(16 * 1024 + 1), true)).toBe('flood');
    expect(other.block.length).toBe(48 * 1024);
  });

  test('of one block are not counted for the next', () => {
    const { block, add } = begun();
    for (const piece of ['a', '', 'b']) add(piece);
    block.clear();
    expect([block.stream, block.length, block.buf.length]).toEqual([0, 0, 0]);
    block.begin(3, false, Buffer.from('next'), 0, 4);
    expect([add(''), add('a'), add('b', true)]).toEqual(['more', 'more', 'whole']);
    expect([block.stream, block.endStream, textOf(block)]).toEqual([3, false, 'nextab']);
  });
});

describe('on a connection, a block', () => {
  const first = frame('HEADERS', END_STREAM, 1, Buffer.from('one '));
  const rest = frame('CONTINUATION', END_HEADERS, 1, Buffer.from('two'));

  test('is one, whether it comes in one frame or in several', async () => {
    await using under = await startSession();
    under.hears(first);
    expect(under.session.blocks).toEqual([]);
    under.hears(rest, frame('HEADERS', END_HEADERS, 3, Buffer.from('three')));
    expect(under.session.blocks).toEqual(['1 last one two', '3 three']);
  });

  test('has neither the padding nor the priority of its frame', async () => {
    await using under = await startSession();
    const payload = Buffer.concat([Buffer.from([2]), uint32(0), Buffer.from([16]), Buffer.from('block\0\0')]);
    under.hears(frame('HEADERS', END_HEADERS | 0x28, 1, payload));
    expect(under.session.blocks).toEqual(['1 block']);
  });

  test.each([
    ['DATA', data(1, 'x')],
    ['SETTINGS', settings()],
    ['HEADERS of another stream', frame('HEADERS', END_HEADERS, 3)],
    ['a CONTINUATION of another stream', frame('CONTINUATION', END_HEADERS, 3)],
    ['a type that nobody knows', Buffer.from([0, 0, 0, 0xfa, 0, 0, 0, 0, 1])],
  ])('is not interrupted by %s', async (_, octets) => {
    await using under = await startSession();
    under.open();
    under.hears(first, octets, rest);
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
    expect(under.session.blocks).toEqual([]);
  });

  test('that nobody has begun does not go on', async () => {
    await using under = await startSession();
    under.hears(rest);
    expect(await under.lastWords()).toEqual(['GOAWAY 0 PROTOCOL_ERROR']);
  });

  test('in too many pieces ends the connection before anything of it is decoded', async () => {
    await using under = await startSession({ limits: { continuations: 2 } });
    const piece = frame('CONTINUATION', 0, 1, Buffer.from('x'));
    under.hears(first, piece, piece);
    expect(await under.said()).toEqual([]);
    under.hears(piece);
    expect(await under.lastWords()).toEqual(['GOAWAY 0 ENHANCE_YOUR_CALM']);
    expect(under.session.blocks).toEqual([]);
  });

  test.each([
    ['on stream 0', frame('HEADERS', END_HEADERS, 0), 'PROTOCOL_ERROR'],
    ['padded, and empty', frame('HEADERS', END_HEADERS | 8, 1), 'FRAME_SIZE_ERROR'],
    ['with more padding than there is', frame('HEADERS', END_HEADERS | 8, 1, Buffer.from([2, 0])), 'PROTOCOL_ERROR'],
    ['too short for its priority', frame('HEADERS', END_HEADERS | 0x20, 1, Buffer.alloc(4)), 'FRAME_SIZE_ERROR'],
    [
      'of a stream that depends on itself',
      frame('HEADERS', END_HEADERS | 0x20, 1, Buffer.from([0, 0, 0, 1, 0])),
      'PROTOCOL_ERROR',
    ],
  ])('%s ends the connection', async (_, octets, error) => {
    await using under = await startSession();
    under.hears(octets);
    expect(await under.lastWords()).toEqual([`GOAWAY 0 ${error}`]);
  });
});
