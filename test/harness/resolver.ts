import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** A resolver of other names, on a port of its own, which says what it is told to. */
export interface TestResolver extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Questions that it has got: over what, and from which port. */
  readonly asked: readonly { readonly over: 'udp' | 'tcp'; readonly from: number; readonly octets: Buffer }[];
}

/** `answer`: the messages that a question is answered with, in order. */
export async function testResolver(
  answer: (octets: Buffer, over: 'udp' | 'tcp') => readonly Buffer[],
): Promise<TestResolver> {
  const asked: TestResolver['asked'][number][] = [];
  const udp = createSocket('udp4');
  const tcp = createServer((socket) => {
    let held = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      if (held.length < 2 || held.length < held.readUInt16BE(0) + 2) return;
      const octets = held.subarray(2);
      asked.push({ over: 'tcp', from: socket.remotePort ?? 0, octets });
      for (const message of answer(octets, 'tcp'))
        socket.write(Buffer.concat([Buffer.from([message.length >>> 8, message.length & 0xff]), message]));
    });
  });
  for (let n = 0; ; n++) {
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as { port: number };
    // The port of the one may be somebody's with the other.
    const free = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(false));
      udp.bind(port, '127.0.0.1', () => resolve(true));
    });
    if (free) break;
    await new Promise((resolve) => tcp.close(resolve));
    if (n > 10) throw new Error('no port is free for both UDP and TCP');
  }
  const { port } = udp.address();
  udp.on('message', (octets, from) => {
    asked.push({ over: 'udp', from: from.port, octets });
    for (const message of answer(octets, 'udp')) udp.send(message, from.port, from.address);
  });
  return {
    host: '127.0.0.1',
    port,
    asked,
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => tcp.close(resolve));
      udp.close();
      await gone;
    },
  };
}

/** An answer with one address, in the words of RFC 1035; `code`: instead of it. `size`: octets that it is filled up to. */
export function answerTo(
  octets: Buffer,
  given: {
    readonly address?: readonly number[];
    readonly code?: number;
    readonly truncated?: boolean;
    readonly size?: number;
  },
): Buffer {
  const end = octets.indexOf(0, 12) + 5;
  const { address, code = 0, truncated = false, size = 0 } = given;
  const record = address === undefined ? [] : [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address];
  const message = Buffer.concat([octets.subarray(0, end), Buffer.from(record)]);
  message[2] = 0x81 | (truncated ? 2 : 0);
  message[3] = 0x80 | code;
  message.writeUInt16BE(record.length === 0 ? 0 : 1, 6);
  message.fill(0, 8, 12);
  return Buffer.concat([message, Buffer.alloc(Math.max(0, size - message.length))]);
}
