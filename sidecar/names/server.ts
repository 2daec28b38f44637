import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { formatAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { listenError } from '../../lib/system-error.ts';
import { Frames, framed } from './frames.ts';
import type { Resolver } from './resolv-conf.ts';

/** Connections at a time, the time that one may rest, in ms, and questions of one that are under way. */
const mostConnections = 64;
const idleMs = 10_000;
const mostAtOnce = 16;
/** Questions over UDP that are under way; more are dropped, and asked again. */
const mostDatagrams = 1024;
/** Attempts to find a port that is free for both, where any will do. */
const tries = 10;

/** The answer to one message; undefined: none. */
export type Handle = (octets: Buffer, overTcp: boolean) => Promise<Buffer | undefined>;

export interface DnsServer {
  /** With the port that was chosen, where 0 was asked for. */
  readonly address: Resolver;
  close(): Promise<void>;
}

/** Listens for DNS over UDP and TCP at one address. Rejects when it cannot. */
export async function startDnsServer(address: Resolver, handle: Handle, clock: Clock): Promise<DnsServer> {
  for (let n = 1; ; n++) {
    const udp = await bindUdp(address);
    const { port } = udp.address();
    // Who has asked all may end its side, and still wants its answers.
    const tcp = createServer({ noDelay: true, allowHalfOpen: true });
    try {
      await listen(tcp, { host: address.host, port });
    } catch (thrown) {
      await closed((done) => udp.close(done));
      if (address.port === 0 && n < tries) continue;
      throw thrown;
    }
    serveUdp(udp, handle);
    const connections = serveTcp(tcp, handle, clock);
    return {
      address: { host: address.host, port },
      async close() {
        const gone = Promise.all([closed((done) => udp.close(done)), closed((done) => tcp.close(() => done()))]);
        for (const socket of connections) socket.destroy();
        await gone;
      },
    };
  }
}

function serveUdp(socket: UdpSocket, handle: Handle): void {
  let underWay = 0;
  let open = true;
  socket.on('close', () => {
    open = false;
  });
  socket.on('message', (octets: Buffer, from: RemoteInfo) => {
    if (underWay >= mostDatagrams) return;
    underWay++;
    const answered = (answer?: Buffer): void => {
      underWay--;
      // Whoever is gone before the answer is nobody's concern: the error has nobody to go to.
      if (answer !== undefined && open) socket.send(answer, from.port, from.address, () => undefined);
    };
    void handle(octets, false).then(answered, () => answered());
  });
}

function serveTcp(server: Server, handle: Handle, clock: Clock): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.maxConnections = mostConnections;
  server.on('connection', (socket) => {
    sockets.add(socket);
    serveConnection(socket, handle, clock, () => sockets.delete(socket));
  });
  return sockets;
}

function serveConnection(socket: Socket, handle: Handle, clock: Clock, gone: () => void): void {
  const frames = new Frames();
  /** Questions that have come and not been begun. At most those of one read. */
  let waiting: Buffer[] = [];
  let underWay = 0;
  let cancelIdle = clock.after(idleMs, () => socket.destroy());
  const pump = (): void => {
    while (underWay < mostAtOnce) {
      const octets = waiting.shift();
      if (octets === undefined) break;
      underWay++;
      const answered = (answer?: Buffer): void => {
        underWay--;
        if (socket.destroyed) return;
        if (answer === undefined) socket.destroy();
        else socket.write(framed(answer));
        pump();
      };
      handle(octets, true).then(answered, () => answered());
    }
    // Not read faster than answers are taken.
    if (waiting.length > 0 || socket.writableNeedDrain) socket.pause();
    else socket.resume();
    if (underWay === 0 && waiting.length === 0 && socket.readableEnded) socket.end();
  };
  socket.on('data', (chunk: Buffer) => {
    cancelIdle();
    cancelIdle = clock.after(idleMs, () => socket.destroy());
    waiting = waiting.concat(frames.take(chunk));
    pump();
  });
  socket.on('drain', pump);
  socket.on('end', pump);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    cancelIdle();
    waiting = [];
    gone();
  });
}

function bindUdp({ host, port }: Resolver): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(formatAddress({ host, port }), error));
    socket.once('error', failed);
    socket.bind(port, host, () => {
      socket.off('error', failed);
      // What the system says of a datagram that could not be delivered concerns no other.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

function listen(server: Server, at: Resolver): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(formatAddress(at), error));
    server.once('error', failed);
    server.listen({ ...at }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

const closed = (close: (done: () => void) => void): Promise<void> => new Promise((resolve) => close(resolve));
