// HTTP/2 by hand, for tests of what a well-behaved client or server never does.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTls,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { Address } from '../../lib/address.ts';
import {
  ACK,
  END_STREAM,
  errorOf,
  type Frame,
  FrameReader,
  type FrameType,
  frame,
  type H2Error,
  preface,
  settings,
} from './h2-frames.ts';
import type { FieldList } from './hpack.ts';

export interface H2Message {
  /** Of the head that is not interim. */
  readonly fields: FieldList;
  get(name: string): string | undefined;
  readonly body: string;
  readonly trailers: FieldList;
}

/** One end of a connection, which says what it is told. It acknowledges SETTINGS and PING by itself. */
export interface H2Peer extends AsyncDisposable {
  readonly socket: Socket;
  /** Everything that came, in order. */
  readonly frames: readonly Frame[];
  /** The other end will say no more. */
  readonly over: boolean;
  /** Resolves when the kernel has taken it, or the connection is gone, which is the other end's right. */
  send(...octets: readonly Buffer[]): Promise<void>;
  /** What `find` finds, as soon as it does; rejects when the connection is over before. */
  until<T>(what: string, find: (frames: readonly Frame[]) => T | undefined): Promise<T>;
  /** The first frame of this type, on this stream if one is given. */
  frame(type: FrameType, stream?: number): Promise<Frame>;
  /** The error of the RST_STREAM for this stream. */
  reset(stream: number): Promise<H2Error>;
  /** The error that the connection was ended with. Resolves when it is closed. */
  goaway(): Promise<H2Error>;
  /** A whole request or response. */
  message(stream: number): Promise<H2Message>;
  /** Resolves when the connection is closed. */
  closed(): Promise<void>;
}

function peerOf(socket: Socket, skip: number): H2Peer {
  const frames: Frame[] = [];
  const watchers = new Set<() => void>();
  const reader = new FrameReader();
  let left = skip;
  let over = false;
  let gone = false;
  let failure: unknown;
  const tell = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  const write = (octets: Buffer): Promise<void> =>
    new Promise((resolve) => {
      if (gone || socket.destroyed) {
        resolve();
        return;
      }
      const done = (): void => {
        socket.off('close', done);
        resolve();
      };
      socket.once('close', done);
      socket.write(octets, done);
    });
  socket.on('data', (chunk: Buffer) => {
    const skipped = Math.min(left, chunk.length);
    left -= skipped;
    try {
      for (const one of reader.read(chunk.subarray(skipped))) {
        frames.push(one);
        if (one.flags !== 0) continue;
        if (one.type === 'SETTINGS') void write(frame('SETTINGS', ACK, 0));
        if (one.type === 'PING') void write(frame('PING', ACK, 0, one.payload));
      }
    } catch (error) {
      failure = error;
    }
    tell();
  });
  socket.on('end', () => {
    over = true;
    tell();
  });
  // What a broken connection means is for the test to say; `closed` and `over` tell of it.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    over = true;
    gone = true;
    tell();
  });
  const watch = <T>(what: string, find: () => T | undefined, last: () => boolean): Promise<T> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = find();
        if (found === undefined && failure === undefined && !last()) return;
        watchers.delete(look);
        if (found !== undefined) resolve(found);
        else reject(failure ?? new Error(`the connection was over before ${what}; it had sent ${summary(frames)}`));
      };
      watchers.add(look);
      look();
    });
  const until = <T>(what: string, find: (all: readonly Frame[]) => T | undefined): Promise<T> =>
    watch(
      what,
      () => find(frames),
      () => over,
    );
  const find =
    (type: FrameType, stream: number | undefined) =>
    (all: readonly Frame[]): Frame | undefined =>
      all.find((one) => one.type === type && (stream === undefined || one.stream === stream));
  const closed = (): Promise<void> =>
    watch(
      'it was closed',
      () => gone || over || undefined,
      () => gone,
    ).then(() => {});
  const peer: H2Peer = {
    socket,
    frames,
    get over() {
      return over;
    },
    send: (...octets) => write(Buffer.concat(octets)),
    until,
    frame: (type, stream) => until(`${type} on stream ${stream ?? 'any'}`, find(type, stream)),
    reset: async (stream) => errorOf(await peer.frame('RST_STREAM', stream)),
    closed,
    async goaway() {
      await closed();
      const said = frames.findLast(({ type }) => type === 'GOAWAY');
      if (said === undefined) throw new Error(`closed without GOAWAY; it had sent ${summary(frames)}`);
      return errorOf(said);
    },
    message: (stream) => until(`a whole message on stream ${stream}`, (all) => messageOf(all, stream)),
    async [Symbol.asyncDispose]() {
      if (socket.destroyed) return;
      const ended = once(socket, 'close');
      socket.destroy();
      await ended;
    },
  };
  return peer;
}

function messageOf(frames: readonly Frame[], stream: number): H2Message | undefined {
  const own = frames.filter((one) => one.stream === stream);
  const broken = own.find(({ type }) => type === 'RST_STREAM');
  if (!own.some(({ type, flags }) => (type === 'DATA' || type === 'HEADERS') && (flags & END_STREAM) !== 0)) {
    if (broken === undefined) return undefined;
    throw new Error(`stream ${stream} was reset with ${errorOf(broken)}`);
  }
  const heads = own.filter(({ fields }) => fields.length > 0 && !/^1/.test(fields[0]![1]));
  if (heads.length === 0) return undefined;
  const body = Buffer.concat(own.filter(({ type }) => type === 'DATA').map(({ payload }) => payload));
  const fields = heads[0]!.fields;
  return {
    fields,
    get: (name) => fields.find(([other]) => other === name)?.[1],
    body: body.toString('latin1'),
    trailers: heads[1]?.fields ?? [],
  };
}

const summary = (frames: readonly Frame[]): string =>
  frames
    .slice(-20)
    .map((one) => `${one.type}/${one.stream}${/GOAWAY|RST/.test(one.type) ? ` ${errorOf(one)}` : ''}`)
    .join(', ') || 'nothing';

/** A client whose preface and SETTINGS have been sent, and answered. */
export async function h2Client(
  address: Address,
  options: { readonly tls?: ConnectionOptions; readonly first?: Buffer | undefined } = {},
): Promise<H2Peer> {
  const where = 'path' in address ? { path: address.path } : { host: address.host, port: address.port };
  const { tls, first = settings() } = options;
  const socket: Socket =
    tls === undefined
      ? connect({ ...where, noDelay: true })
      : connectTls({ ...where, ...tls, ALPNProtocols: ['h2'], checkServerIdentity: () => undefined });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  const peer = peerOf(socket, 0);
  await peer.send(preface, first);
  await peer.frame('SETTINGS');
  return peer;
}

export interface H2Origin extends AsyncDisposable {
  readonly address: Address;
  /** Its connections, in order. */
  readonly peers: readonly H2Peer[];
}

/** A server that sends its SETTINGS and then does what the script says. A script that throws fails its close. */
export async function h2Origin(
  script: (peer: H2Peer, number: number) => void | Promise<void>,
  options: { readonly tls?: TlsOptions; readonly first?: Buffer | undefined } = {},
): Promise<H2Origin> {
  const peers: H2Peer[] = [];
  const failures: unknown[] = [];
  const sockets = new Set<Socket>();
  let closing = false;
  const accept = (socket: Socket | TLSSocket): void => {
    socket.setNoDelay(true);
    const peer = peerOf(socket, preface.length);
    peers.push(peer);
    void peer.send(options.first ?? settings());
    (async () => script(peer, peers.length))().catch((thrown: unknown) => {
      if (!closing && !peer.over) failures.push(thrown);
    });
  };
  const server =
    options.tls === undefined
      ? createServer(accept)
      : createTls({ requestCert: true, ALPNProtocols: ['h2'], ...options.tls }, accept);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address: host, port } = server.address() as { address: string; port: number };
  return {
    address: { host, port },
    peers,
    async [Symbol.asyncDispose]() {
      closing = true;
      const done = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await done;
      if (failures.length > 0) throw failures[0];
    },
  };
}

/**
 * How the other end refused a request: `RST …` or `GOAWAY …` with the error, or the status of its answer. Waits for
 * the first of them.
 */
export const refusal = (peer: H2Peer, stream: number): Promise<string> =>
  peer.until(`stream ${stream} was refused or answered`, (frames) => {
    for (const one of frames) {
      if (one.type === 'GOAWAY' && errorOf(one) !== 'NO_ERROR') return `GOAWAY ${errorOf(one)}`;
      if (one.stream !== stream) continue;
      if (one.type === 'RST_STREAM') return `RST ${errorOf(one)}`;
      const status = one.fields.find(([name]) => name === ':status')?.[1];
      if (status !== undefined && !status.startsWith('1')) return status;
    }
    return undefined;
  });

/** Sends batches until the other end has closed the connection. Fails when it takes them all and goes on. */
export async function flood(peer: H2Peer, batches: number, batch: (index: number) => Buffer): Promise<void> {
  for (let index = 0; index < batches && !peer.over; index++) {
    await peer.send(batch(index));
    // What the other end has to say about it gets in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
  // Who has not been listening has to, to notice the end.
  peer.socket.resume();
  const patience = Promise.withResolvers<never>();
  const late = setTimeout(() => patience.reject(new Error(`${batches} batches were taken, and more would be`)), 5000);
  await Promise.race([peer.closed(), patience.promise]).finally(() => clearTimeout(late));
}
