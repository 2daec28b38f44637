// The header blocks of nghttp2, by way of node:http2 on connections in memory: what another implementation makes of ours,
// and what ours make of another's.
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders, performServerHandshake } from 'node:http2';
import { Duplex } from 'node:stream';

type Fields = readonly (readonly [name: string, value: string])[];

const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const CONTINUATION = 9;
const END_STREAM_AND_HEADERS = 5;
const END_HEADERS = 4;
const ACK = 1;
const MAX_FRAME = 16_384;
const COMPRESSION_ERROR = 9;

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** The other end of a connection of node:http2: shows each frame that it writes. */
class Wire extends Duplex {
  readonly #onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void;
  #waiting = Buffer.alloc(0);
  /** Octets of the preface that a client writes before its frames. */
  #skip: number;

  constructor(skip: number, onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void) {
    super();
    this.#skip = skip;
    this.#onFrame = onFrame;
  }

  override _read(): void {}

  override _write(octets: Buffer, _: string, done: () => void): void {
    this.#waiting = Buffer.concat([this.#waiting, octets]);
    if (this.#skip > 0 && this.#waiting.length >= this.#skip) {
      this.#waiting = this.#waiting.subarray(this.#skip);
      this.#skip = 0;
    }
    while (this.#skip === 0 && this.#waiting.length >= 9) {
      const waiting = this.#waiting;
      const end = 9 + waiting.readUIntBE(0, 3);
      if (waiting.length < end) break;
      this.#waiting = waiting.subarray(end);
      this.#onFrame(waiting[3]!, waiting[4]!, waiting.readUInt32BE(5), waiting.subarray(9, end));
    }
    done();
  }
}

/** Decodes the blocks of one connection, in order. */
export class NodeDecoder implements Disposable {
  readonly #wire: Wire;
  readonly #session;
  #stream = 1;
  #fields: Fields | undefined;
  #answer: (result: Fields | 'refused' | 'broken') => void = () => {};

  constructor(headerTableSize = 4096) {
    this.#wire = new Wire(0, (type, flags, _, payload) => {
      if (type === PING && flags === ACK) this.#answer(this.#fields ?? 'refused');
      if (type === GOAWAY) this.#answer(payload.readUInt32BE(4) === COMPRESSION_ERROR ? 'broken' : 'refused');
    });
    this.#session = performServerHandshake(this.#wire, {
      settings: { headerTableSize, maxHeaderListSize: 2 ** 20 },
      maxHeaderListPairs: 1000,
    });
    this.#session.on('error', () => this.#answer('broken'));
    this.#session.on('stream', (stream, _, __, raw: readonly string[]) => {
      // A stream that is refused ends with an error, which its frames have told.
      stream.on('error', () => {});
      const fields: [string, string][] = [];
      for (let i = 0; i < raw.length; i += 2) fields.push([raw[i]!, raw[i + 1]!]);
      this.#fields = fields;
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    this.#wire.push(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'));
    this.#wire.push(frame(SETTINGS, 0, 0));
  }

  /**
   * The fields of the request that a block is. `refused`: they are no request; `broken`: the block is not to be decoded,
   * and the connection is over.
   */
  decode(block: Buffer): Promise<Fields | 'refused' | 'broken'> {
    const { promise, resolve } = Promise.withResolvers<Fields | 'refused' | 'broken'>();
    this.#answer = resolve;
    this.#fields = undefined;
    const more = block.length > MAX_FRAME;
    this.#wire.push(frame(HEADERS, more ? 1 : END_STREAM_AND_HEADERS, this.#stream, block.subarray(0, MAX_FRAME)));
    for (let at = MAX_FRAME; at < block.length; at += MAX_FRAME) {
      const flags = at + MAX_FRAME < block.length ? 0 : END_HEADERS;
      this.#wire.push(frame(CONTINUATION, flags, this.#stream, block.subarray(at, at + MAX_FRAME)));
    }
    this.#wire.push(frame(PING, 0, 0, Buffer.alloc(8)));
    this.#stream += 2;
    return promise;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
    this.#wire.destroy();
  }
}

/** Encodes the blocks of one connection, in order. */
export class NodeEncoder implements Disposable {
  readonly #wire: Wire;
  readonly #session: ClientHttp2Session;
  #block: Buffer[] = [];
  #answer: (block: Buffer) => void = () => {};
  #settled: () => void = () => {};

  constructor() {
    this.#wire = new Wire(24, (type, flags, stream, payload) => {
      if (type === SETTINGS && flags === ACK) this.#settled();
      if (type !== HEADERS && type !== CONTINUATION) return;
      // Nothing of priorities is written, nor padding.
      this.#block.push(Buffer.from(payload));
      if ((flags & END_HEADERS) === 0) return;
      this.#answer(Buffer.concat(this.#block.splice(0)));
      const cancel = Buffer.from([0, 0, 0, 8]);
      this.#wire.push(frame(RST_STREAM, 0, stream, cancel));
    });
    this.#session = connect('http://a', { createConnection: () => this.#wire });
    // Ended in the middle of its streams, it ends with an error.
    this.#session.on('error', () => {});
    this.#wire.push(frame(SETTINGS, 0, 0));
  }

  /** Says how large a table it may use from now on. */
  limitTable(octets: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const setting = Buffer.alloc(6);
    setting[1] = 1;
    setting.writeUInt32BE(octets, 2);
    this.#settled = resolve;
    this.#wire.push(frame(SETTINGS, 0, 0, setting));
    return promise;
  }

  encode(headers: OutgoingHttpHeaders): Promise<Buffer> {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    this.#answer = resolve;
    this.#session.request(headers, { endStream: true }).on('error', () => {});
    return promise;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
    this.#wire.destroy();
  }
}
