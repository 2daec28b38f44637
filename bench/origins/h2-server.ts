// An origin for HTTP/2 without TLS that costs next to nothing, so that it is never what is measured: every stream gets the
// same answer, and header blocks are not even decoded. Run as: node h2-server.ts '{"port":1,"delayMs":0,"grpc":false}'
import { createServer, type Socket } from 'node:net';
import { Frames, field, frame, frameTypes, grpcMessage, type H2ServerSettings, windowUpdate } from './h2-frames.ts';

const { port, delayMs, grpc } = JSON.parse(process.argv[2]!) as H2ServerSettings;

/** Octets that the other side may send on a connection: given once, and again when half is used. */
const window = 2 ** 30;
const statusOk = Buffer.from([0x88]);
const body = grpc ? grpcMessage : Buffer.from('hello, mesh\n');
const head = grpc
  ? Buffer.concat([statusOk, field('content-type', 'application/grpc')])
  : Buffer.concat([statusOk, field('content-type', 'text/plain'), field('content-length', String(body.length))]);

/** HEADERS, DATA and, for gRPC, trailers, of stream 0; `idsAt` is where the id of the stream goes. */
const frames = grpc
  ? [
      frame(frameTypes.headers, 0x4, head),
      frame(frameTypes.data, 0, body),
      frame(frameTypes.headers, 0x5, field('grpc-status', '0')),
    ]
  : [frame(frameTypes.headers, 0x4, head), frame(frameTypes.data, 0x1, body)];
const answer = Buffer.concat(frames);
const idsAt = frames.map((_, index) => frames.slice(0, index).reduce((sum, one) => sum + one.length, 0) + 5);

interface Held {
  readonly connection: Connection;
  readonly stream: number;
  readonly dueMs: number;
}
/** Streams whose answer waits, in the order in which it is due. */
let held: Held[] = [];
let open = 0;
let mostOpen = 0;

class Connection {
  readonly #socket: Socket;
  readonly #frames = new Frames();
  /** Of streams that are to be answered; without a delay, of those that wait for the window. */
  readonly #open = new Set<number>();
  readonly #blocked: number[] = [];
  #mayReceive = window;
  #maySend = 65_535;
  #output: Buffer[] = [];

  constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true);
    socket.on('data', (octets: Buffer) => {
      try {
        this.#read(octets);
      } catch (error) {
        // One who speaks something else loses this connection; the others are not concerned.
        process.stderr.write(`origin: ${(error as Error).message}\n`);
        socket.destroy();
      }
    });
    // A caller that goes away says so by a reset as often as not.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      open -= this.#open.size;
      this.#open.clear();
    });
    this.#output.push(frame(frameTypes.settings, 0, Buffer.alloc(0)), windowUpdate(window - 65_535));
  }

  #read(octets: Buffer): void {
    for (const { type, flags, stream, payload } of this.#frames.read(octets)) {
      if (type === frameTypes.headers) this.#begin(stream);
      if (type === frameTypes.data) this.#take(payload.length);
      if ((type === frameTypes.headers || type === frameTypes.data) && (flags & 0x1) !== 0) this.#asked(stream);
      else if (type === frameTypes.reset && this.#open.delete(stream)) open--;
      else if (type === frameTypes.settings && (flags & 0x1) === 0)
        this.#output.push(frame(frameTypes.settings, 0x1, Buffer.alloc(0)));
      else if (type === frameTypes.ping && (flags & 0x1) === 0)
        this.#output.push(frame(frameTypes.ping, 0x1, Buffer.from(payload)));
      else if (type === frameTypes.windowUpdate && stream === 0) {
        this.#maySend += payload.readUInt32BE(0) & 0x7fff_ffff;
        for (const waiting of this.#blocked.splice(0)) this.answer(waiting);
      }
    }
    this.flush();
  }

  #begin(stream: number): void {
    if (this.#open.has(stream)) return;
    this.#open.add(stream);
    open++;
  }

  #take(octets: number): void {
    this.#mayReceive -= octets;
    if (this.#mayReceive > window / 2) return;
    this.#output.push(windowUpdate(window - this.#mayReceive));
    this.#mayReceive = window;
  }

  #asked(stream: number): void {
    if (delayMs === 0) this.answer(stream);
    else held.push({ connection: this, stream, dueMs: performance.now() + delayMs });
  }

  /** Puts the answer into the output, unless the stream is gone or the window is used up. */
  answer(stream: number): void {
    if (!this.#open.has(stream)) return;
    if (this.#maySend < body.length) {
      this.#blocked.push(stream);
      return;
    }
    this.#maySend -= body.length;
    this.#open.delete(stream);
    open--;
    const octets = Buffer.from(answer);
    for (const at of idsAt) octets.writeUInt32BE(stream, at);
    this.#output.push(octets);
  }

  flush(): void {
    if (this.#output.length === 0) return;
    this.#socket.write(this.#output.length === 1 ? this.#output[0]! : Buffer.concat(this.#output));
    this.#output = [];
  }
}

createServer((socket) => new Connection(socket).flush()).listen({ port, host: '127.0.0.1', backlog: 511 });

if (delayMs > 0)
  setInterval(() => {
    // How many were open at once is told whenever it is more than before, until all have ended.
    if (open > mostOpen) process.stdout.write(`${JSON.stringify({ open })}\n`);
    mostOpen = open === 0 ? 0 : Math.max(open, mostOpen);
    const now = performance.now();
    const later = held.findIndex(({ dueMs }) => dueMs > now);
    const due = later === -1 ? held : held.slice(0, later);
    held = later === -1 ? [] : held.slice(later);
    for (const { connection, stream } of due) connection.answer(stream);
    for (const connection of new Set(due.map((one) => one.connection))) connection.flush();
  }, 5);
