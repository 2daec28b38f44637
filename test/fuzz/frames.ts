import { deepStrictEqual } from 'node:assert/strict';
import type { Random } from '../../lib/random.ts';
import { FRAME_SIZE_ERROR, MAX_FRAME, PROTOCOL_ERROR } from '../../sidecar/http/h2/constants.ts';
import { type DataSink, FrameReader, type FrameSink } from '../../sidecar/http/h2/frame-reader.ts';
import { PADDED } from '../harness/h2-frames.ts';
import { frameSeeds, frameWords } from './h2-seeds.ts';
import { cut, mutate } from './mutate.ts';

type Event = readonly unknown[];

/** What the reader tells of the octets, the content of each DATA frame put together. */
function read(pieces: readonly Buffer[]): readonly Event[] {
  const events: Event[] = [];
  let content: Buffer[] = [];
  const sink: FrameSink & DataSink = {
    onFrame: (type, flags, stream, buf, start, end) =>
      events.push([type, flags, stream, buf.toString('latin1', start, end)]),
    onBadFrame: (code) => events.push(['bad', code]),
    onDataFrame(stream, flags, length) {
      content = [];
      events.push([0, flags, stream, length]);
    },
    onDataOctets: (buf, start, end) => content.push(Buffer.from(buf.subarray(start, end))),
    onDataDone: () => events.push(['content', Buffer.concat(content).toString('latin1')]),
  };
  const reader = new FrameReader(sink, sink);
  for (const piece of pieces) reader.feed(piece, 0, piece.length);
  return events;
}

/** The same by RFC 9113 sections 4.1 and 6.1, in the plainest way, of octets that are all there. */
function plainly(octets: Buffer): readonly Event[] {
  const events: Event[] = [];
  for (let at = 0; octets.length - at >= 9; ) {
    const length = octets.readUIntBE(at, 3);
    const [type, flags, stream] = [octets[at + 3]!, octets[at + 4]!, octets.readUInt32BE(at + 5) & 0x7fffffff];
    if (length > MAX_FRAME) return [...events, ['bad', FRAME_SIZE_ERROR]];
    const payload = octets.subarray(at + 9, at + 9 + length);
    at += 9 + length;
    if (type === 0) {
      const padded = (flags & PADDED) !== 0;
      if (padded && length === 0) return [...events, ['bad', FRAME_SIZE_ERROR]];
      events.push([0, flags, stream, length]);
      const padding = padded && payload.length > 0 ? payload[0]! : 0;
      if (padded && payload.length > 0 && padding + 1 > length) return [...events, ['bad', PROTOCOL_ERROR]];
      if (payload.length < length) return events;
      events.push(['content', payload.toString('latin1', padded ? 1 : 0, length - padding)]);
    } else if (payload.length < length) return events;
    else events.push([type, flags, stream, payload.toString('latin1')]);
  }
  return events;
}

/** Frames, however they are split, are what the RFC says; nothing is kept of them that has no bound. */
export function fuzzFrames(random: Random): string {
  const octets = Buffer.from(mutate(random, frameSeeds, frameWords), 'latin1');
  const expected = plainly(octets);
  deepStrictEqual(read([octets]), expected);
  deepStrictEqual(read(cut(random, octets)), expected);
  return expected.at(-1)?.[0] === 'bad' ? 'refused' : 'read';
}
