// As much of RFC 9113 and RFC 7541 as an origin needs that gives everybody the same answer.

/** How the origin is started: one JSON argument. */
export interface H2ServerSettings {
  readonly port: number;
  /** Each answer is held back for so long. */
  readonly delayMs: number;
  /** Answer as a gRPC service does: a message, then trailers. */
  readonly grpc: boolean;
}

export const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, windowUpdate: 8 } as const;

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const headLength = 9;

/** A gRPC message of 16 octets, with its length before it. */
export const grpcMessage = Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), Buffer.alloc(16, 'x')]);

/** A frame of stream 0. RFC 9113, section 4.1. */
export function frame(type: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headLength);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  return Buffer.concat([head, payload]);
}

/** More octets that may come on this connection. */
export function windowUpdate(octets: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(octets);
  return frame(frameTypes.windowUpdate, 0, payload);
}

/** A literal header field that changes no table, name and value shorter than 127 octets. RFC 7541, section 6.2.2. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length, ...Buffer.from(value)]),
  ]);
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Cuts what a client sends into frames. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);
  #started = false;

  /** The frames that are complete with these octets. Throws when the client does not speak HTTP/2. */
  read(octets: Buffer): readonly Frame[] {
    let from = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    const found: Frame[] = [];
    if (!this.#started && from.length >= preface.length) {
      if (from.toString('latin1', 0, preface.length) !== preface) throw new Error('not HTTP/2 with prior knowledge');
      from = from.subarray(preface.length);
      this.#started = true;
    }
    while (this.#started && from.length >= headLength) {
      const end = headLength + from.readUIntBE(0, 3);
      if (from.length < end) break;
      const stream = from.readUInt32BE(5) & 0x7fff_ffff;
      found.push({ type: from[3]!, flags: from[4]!, stream, payload: from.subarray(headLength, end) });
      from = from.subarray(end);
    }
    this.#rest = from;
    return found;
  }
}
