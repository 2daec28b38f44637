import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goaway,
  headers,
  PADDED,
  request,
  rst,
  settings,
  uint32,
  windowUpdate,
} from '../harness/h2-frames.ts';

const text = (...frames: readonly Buffer[]): string => Buffer.concat(frames).toString('latin1');
const padded = (stream: number, content: string): Buffer =>
  frame('DATA', PADDED | END_STREAM, stream, Buffer.from(`\x03${content}\0\0\0`, 'latin1'));
const post = (length: string) => request({ ':method': 'POST' }, ['content-length', length]);

/** What clients send behind their preface, frame by frame. */
export const frameSeeds: readonly string[] = [
  text(settings(), headers(1, request())),
  text(
    settings([4, 10]),
    headers(1, request()),
    windowUpdate(1, 1000),
    frame('SETTINGS', ACK, 0),
    headers(3, request()),
  ),
  text(settings(), headers(1, post('5'), END_HEADERS), data(1, 'he'), data(1, 'llo', END_STREAM)),
  text(settings(), headers(1, post('5'), END_HEADERS), padded(1, 'hello'), rst(1)),
  text(settings(), headers(1, post('5'), END_HEADERS), data(1, 'hello'), headers(1, [['x-a', 'b']])),
  text(
    settings(),
    headers(1, request(), END_STREAM),
    frame('CONTINUATION', END_HEADERS, 1),
    frame('PING', 0, 0, Buffer.alloc(8)),
  ),
  text(settings(), headers(1, request()), goaway(0), headers(3, request())),
  text(settings(), frame('PRIORITY', 0, 5, Buffer.from([0, 0, 0, 0, 16])), headers(5, request())),
  text(
    settings([1, 0], [3, 1], [5, 16_384], [8, 1]),
    headers(1, request()),
    headers(3, request()),
    headers(5, request()),
  ),
];

/** Parts that mean something where they stand. */
export const frameWords: readonly string[] = [
  ...[settings(), frame('SETTINGS', ACK, 0), windowUpdate(0, 0x7fffffff), windowUpdate(1, 0), rst(1), goaway(1)],
  ...[frame('PING', ACK, 0, Buffer.alloc(8)), data(1, ''), data(1, 'x', END_STREAM), headers(3, request()), uint32(0)],
  ...[frame('CONTINUATION', 0, 1), frame('DATA', 0, 1, Buffer.alloc(0), 16_385), Buffer.from([0x82, 0x86, 0x84])],
].map((octets) => octets.toString('latin1'));
