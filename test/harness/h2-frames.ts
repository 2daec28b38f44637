// Frames of HTTP/2, written and read by hand.
import { BlockReader, type FieldList, literals } from './hpack.ts';

/** RFC 9113 section 6, by number. */
const types = [
  ...['DATA', 'HEADERS', 'PRIORITY', 'RST_STREAM', 'SETTINGS', 'PUSH_PROMISE', 'PING', 'GOAWAY', 'WINDOW_UPDATE'],
  ...['CONTINUATION', 'ALTSVC', 'reserved', 'ORIGIN'],
] as const;
export type FrameType = (typeof types)[number];

/** RFC 9113 section 7, by number. */
const errorNames = [
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED'],
  ...['FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM'],
  ...['INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
] as const;
export type H2Error = (typeof errorNames)[number];

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const none: Buffer = Buffer.alloc(0);

/** One frame. `length` says something else than the truth, for frames that are cut short. */
export function frame(type: FrameType, flags: number, stream: number, payload = none, length = payload.length): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = types.indexOf(type);
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const uint32 = (value: number): Buffer => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
};

export const settings = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer =>
  frame('SETTINGS', 0, 0, Buffer.concat(pairs.flatMap(([id, value]) => [uint32(id).subarray(2), uint32(value)])));

export const windowUpdate = (stream: number, increment: number): Buffer =>
  frame('WINDOW_UPDATE', 0, stream, uint32(increment));

export const rst = (stream: number, error: H2Error = 'CANCEL'): Buffer =>
  frame('RST_STREAM', 0, stream, uint32(errorNames.indexOf(error)));

export const goaway = (lastStream: number, error: H2Error = 'NO_ERROR'): Buffer =>
  frame('GOAWAY', 0, 0, Buffer.concat([uint32(lastStream), uint32(errorNames.indexOf(error))]));

export const data = (stream: number, text: string | Buffer, flags = 0): Buffer =>
  frame('DATA', flags, stream, typeof text === 'string' ? Buffer.from(text, 'latin1') : text);

export const headers = (stream: number, fields: FieldList, flags = END_HEADERS | END_STREAM): Buffer =>
  frame('HEADERS', flags, stream, literals(fields));

/** Pseudo-header fields of a request to the service `web`, each replaced or (undefined) left out by `other`. */
export function request(other: Readonly<Record<string, string | undefined>> = {}, ...more: FieldList): FieldList {
  const all = { ':method': 'GET', ':scheme': 'http', ':authority': 'web', ':path': '/', ...other };
  return [...Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined), ...more];
}

export interface Frame {
  readonly type: FrameType | 'unknown';
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  /** Of the block that ends with this frame. */
  readonly fields: FieldList;
}

export const errorOf = ({ type, payload }: Frame): H2Error =>
  errorNames[payload.readUInt32BE(type === 'GOAWAY' ? 4 : 0)]!;

/** Reads the frames of one direction of a connection. */
export class FrameReader {
  readonly #blocks = new BlockReader();
  #waiting: Buffer = none;
  #block: Buffer[] = [];

  /** Gives the frames that are whole. Throws for a block of fields that cannot be read. */
  *read(octets: Buffer): Generator<Frame> {
    this.#waiting = Buffer.concat([this.#waiting, octets]);
    for (;;) {
      const waiting = this.#waiting;
      const end = waiting.length < 9 ? Number.POSITIVE_INFINITY : 9 + waiting.readUIntBE(0, 3);
      if (waiting.length < end) return;
      this.#waiting = waiting.subarray(end);
      const type = types[waiting[3]!] ?? 'unknown';
      const flags = waiting[4]!;
      const payload = Buffer.from(waiting.subarray(9, end));
      let fields: FieldList = [];
      if (type === 'HEADERS' || type === 'CONTINUATION') {
        this.#block.push(payload);
        if ((flags & END_HEADERS) !== 0) fields = this.#blocks.read(Buffer.concat(this.#block.splice(0)));
      }
      yield { type, flags, stream: waiting.readUInt32BE(5) & 0x7fffffff, payload, fields };
    }
  }
}
