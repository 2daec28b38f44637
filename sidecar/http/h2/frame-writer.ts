/** Writes frames (RFC 9113 section 6) where output is put together. Does no I/O. */
import { ACK, FRAME_HEAD, GOAWAY, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE } from './constants.ts';

/** Where output is put together: `room` gives a buffer with space for so many octets from `outLength` on. */
export interface Out {
  room(octets: number): Buffer;
  readonly outLength: number;
  advance(octets: number): void;
}

/** Puts the nine octets of a frame's head at `at`. */
export function putFrameHead(
  buf: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  buf[at] = length >>> 16;
  buf[at + 1] = (length >>> 8) & 0xff;
  buf[at + 2] = length & 0xff;
  buf[at + 3] = type;
  buf[at + 4] = flags;
  put32(buf, at + 5, stream);
}

function put32(buf: Buffer, at: number, value: number): void {
  buf[at] = (value >>> 24) & 0xff;
  buf[at + 1] = (value >>> 16) & 0xff;
  buf[at + 2] = (value >>> 8) & 0xff;
  buf[at + 3] = value & 0xff;
}

function writeSmall(out: Out, type: number, flags: number, stream: number, ...values: readonly number[]): void {
  const length = values.length * 4;
  const buf = out.room(FRAME_HEAD + length);
  const at = out.outLength;
  putFrameHead(buf, at, length, type, flags, stream);
  for (let i = 0; i < values.length; i++) put32(buf, at + FRAME_HEAD + i * 4, values[i]!);
  out.advance(FRAME_HEAD + length);
}

export const writeReset = (out: Out, stream: number, code: number): void =>
  writeSmall(out, RST_STREAM, 0, stream, code);

export const writeWindowUpdate = (out: Out, stream: number, octets: number): void =>
  writeSmall(out, WINDOW_UPDATE, 0, stream, octets);

export const writeGoaway = (out: Out, last: number, code: number): void => writeSmall(out, GOAWAY, 0, 0, last, code);

/** A PING of our own; `mark` comes back with its answer. */
export const writePing = (out: Out, mark: number): void => writeSmall(out, PING, 0, 0, 0, mark);

/** The answer to the PING whose eight octets are at buf[start]. */
export function writePong(out: Out, buf: Buffer, start: number): void {
  const room = out.room(FRAME_HEAD + 8);
  const at = out.outLength;
  putFrameHead(room, at, 8, PING, ACK, 0);
  buf.copy(room, at + FRAME_HEAD, start, start + 8);
  out.advance(FRAME_HEAD + 8);
}

export const writeSettingsAck = (out: Out): void => writeSmall(out, SETTINGS, ACK, 0);

/** Pairs of setting and value. */
export function writeSettings(out: Out, settings: readonly (readonly [id: number, value: number])[]): void {
  const length = settings.length * 6;
  const buf = out.room(FRAME_HEAD + length);
  let at = out.outLength;
  putFrameHead(buf, at, length, SETTINGS, 0, 0);
  at += FRAME_HEAD;
  for (const [id, value] of settings) {
    buf[at] = id >>> 8;
    buf[at + 1] = id & 0xff;
    put32(buf, at + 2, value);
    at += 6;
  }
  out.advance(FRAME_HEAD + length);
}
