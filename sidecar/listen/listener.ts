import { createServer as createPlain, type Server, type Socket } from 'node:net';
import { createServer as createTls, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { type Address, formatAddress } from '../../lib/address.ts';
import type { Log } from '../../lib/log.ts';
import { controlPlaneId } from '../../lib/spiffe.ts';
import { listenError } from '../../lib/system-error.ts';
import { ADMIN_PROTOCOL, type TakeAdmin } from '../admin/over-mesh.ts';
import type { ListenerContext } from '../http/context.ts';
import type { HttpExchange } from '../http/exchange.ts';
import type { Files } from '../limits/files.ts';
import { Gate } from '../limits/gate.ts';
import { Seldom } from '../limits/seldom.ts';
import { TCP_PROTOCOL, type TcpServer } from '../tcp/server.ts';
import type { ConnectionStats } from '../telemetry/telemetry.ts';
import { contextOptions } from '../tls/contexts.ts';
import type { Credentials, LiveCredentials } from '../tls/credentials.ts';
import { checkPeer } from '../tls/verify.ts';
import { Connections } from './connections.ts';
import { removeLeftBehind } from './left-behind.ts';
import { type Serving, serve } from './serve.ts';

const BACKLOG = 4096;
/** Node has no timer for more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface Listener {
  /** With the port that was chosen, where 0 was asked for. */
  readonly address: Address;
  readonly connections: number;
  /** Takes no more connections and closes idle ones; each of the others closes after its present answer. */
  drain(): void;
  /** Ends connections that rest, and each of the others behind what it carries now; new ones are taken. */
  closeIdle(): void;
  /** Visits every exchange that its connections have an object for. */
  exchanges(visit: (ex: HttpExchange) => void): void;
  /** Resolves when no connection is left. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

/** Takes a socket whose caller is known. `protocol`: as its handshake has agreed; `silent`: it had time to speak. */
type Take = (socket: Socket, peer: string, protocol?: string, silent?: boolean) => void;

/**
 * Opens a listener. With credentials it speaks TLS 1.3 only and asks every caller for a certificate of our mesh;
 * `undefined` credentials mean plain text.
 */
export async function startListener(options: {
  readonly address: Address;
  readonly context: ListenerContext;
  readonly stats: ConnectionStats;
  readonly credentials: LiveCredentials | undefined;
  /** With credentials: callers that speak plain text are served as well, as nobody in particular. */
  readonly plainToo?: boolean;
  /** Other threads of this process listen at the same port, and the system spreads connections over them. */
  readonly sharedPort?: boolean;
  /** Who takes connections that do not carry HTTP; without it all of them do. */
  readonly tcp?: TcpServer;
  /** False: plain text is HTTP/1.1 only, because that is what the service says it speaks. */
  readonly plainHttp2?: boolean;
  /** Takes connections of the control plane for the admin pages; without it there are none. */
  readonly admin?: TakeAdmin;
  /** Of the thread. */
  readonly files: Files;
  readonly log: Log;
}): Promise<Listener> {
  const {
    context,
    stats,
    credentials,
    plainToo = false,
    sharedPort = false,
    plainHttp2 = true,
    tcp,
    admin,
    files,
    log,
  } = options;
  const connections = new Connections();
  const serving = { context, stats, connections, tcp, plainHttp2 };
  const gate = new Gate(context, files, stats, log);

  const take: Take = (socket, peer, protocol = '', silent = false) => {
    const address = socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unix';
    serve({ socket, caller: { peer, address, secure: peer !== '' }, protocol, silent }, serving);
  };

  const tls = credentials === undefined ? undefined : tlsServer(credentials, take, serving, admin, log);
  // Paused until its reads can go to the shared buffer, unless its first octet is to say who reads it.
  const server = createPlain({ allowHalfOpen: true, pauseOnConnect: tls === undefined || !plainToo, noDelay: true });
  gate.watch(server, (socket) => {
    if (tls === undefined) take(socket, '');
    else if (plainToo) tellApart(socket, tls, take, serving);
    else tls.emit('connection', socket);
  });
  const unsubscribe = credentials?.subscribe((next) => {
    if (next === undefined || tls === undefined) return;
    setContext(tls, next);
    // What is open was proved with the certificate before: callers move to a new connection, and lose nothing.
    connections.renew();
  });
  await listen(server, options.address, sharedPort);
  server.on('error', (error) => gate.acceptFailed(error));

  const chosen = server.address();
  const address: Address =
    typeof chosen === 'object' && chosen !== null ? { host: chosen.address, port: chosen.port } : options.address;
  const drain = (): void => {
    server.close();
    connections.leave();
  };
  return {
    address,
    get connections() {
      return connections.size;
    },
    drain,
    closeIdle: () => connections.drain(),
    exchanges: (visit) => connections.exchanges(visit),
    empty: () => gate.empty(),
    async close() {
      unsubscribe?.();
      const closed = new Promise<void>((done) => (server.listening ? server.close(() => done()) : done()));
      connections.destroy();
      // Those in the middle of a handshake have no connection yet.
      for (const socket of gate.sockets) socket.destroy();
      await closed;
    },
  };
}

/** For an address that another thread listens at and cannot share. */
export const listenedElsewhere = (address: Address): Listener => ({
  address,
  connections: 0,
  drain() {},
  closeIdle() {},
  exchanges() {},
  empty: () => Promise.resolve(),
  close: () => Promise.resolve(),
});

/** Tells TLS from plain text by the first octet: a handshake record begins with 22, which no method does. */
function tellApart(socket: Socket, secure: TlsServer, take: Take, { context, tcp }: Serving): void {
  const { limits } = context;
  const beSilent = tcp?.mayBeSilent() === true;
  const onFirst = (first: Buffer): void => {
    socket.pause();
    socket.setTimeout(0);
    socket.unshift(first);
    if (first[0] === 22) secure.emit('connection', socket);
    else take(socket, '');
  };
  socket.setTimeout(Math.min(beSilent ? limits.detectMs : limits.handshakeMs, MAX_TIMER_MS), () => {
    if (!beSilent) {
      socket.destroy();
      return;
    }
    socket.setTimeout(0);
    socket.off('data', onFirst);
    socket.pause();
    take(socket, '', '', true);
  });
  socket.on('error', () => socket.destroy());
  socket.once('data', onFirst);
}

function tlsServer(
  credentials: LiveCredentials,
  take: Take,
  to: Serving,
  admin: TakeAdmin | undefined,
  log: Log,
): TlsServer {
  const { context, stats } = to;
  const failed = new Seldom(context.loop.clock, (fields) => log.warn('handshake failed', fields));
  const server = createTls({
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2', 'http/1.1', TCP_PROTOCOL, ...(admin === undefined ? [] : [ADMIN_PROTOCOL])],
    handshakeTimeout: context.limits.handshakeMs,
    pauseOnConnect: true,
    allowHalfOpen: true,
    noDelay: true,
  });
  if (credentials.current !== undefined) setContext(server, credentials.current);
  server.on('secureConnection', (socket: TLSSocket) => {
    const own = credentials.current;
    const forAdmin = admin !== undefined && socket.alpnProtocol === ADMIN_PROTOCOL;
    const trustDomain = own?.trustDomain ?? '';
    const expected = forAdmin ? controlPlaneId(trustDomain) : undefined;
    const checked = checkPeer(socket.getPeerX509Certificate(), expected, trustDomain);
    if (own === undefined || 'reason' in checked) {
      const reason = 'reason' in checked ? checked.reason : 'no-certificate';
      stats.handshake(false, reason);
      failed.happened({ peer: socket.remoteAddress, reason });
      socket.destroy();
      return;
    }
    stats.handshake(true, '');
    if (forAdmin) {
      takeAdmin(socket, admin, to);
      return;
    }
    take(socket, checked.spiffeId, socket.alpnProtocol || '');
  });
  server.on('tlsClientError', (error, socket) => {
    stats.handshake(false, 'handshake');
    failed.happened({ peer: socket.remoteAddress, error: error.message });
    // Of a handshake that took too long, Node only tells; it would stay open for ever.
    socket.destroy();
  });
  return server;
}

/** Such a connection is no traffic: it outlives pressure, and nobody waits for its end. */
function takeAdmin(socket: TLSSocket, admin: TakeAdmin, { stats, connections }: Serving): void {
  const open = admin(socket);
  stats.opened();
  connections.add(open);
  socket.once('close', () => {
    stats.closed();
    connections.remove(open);
  });
}

/** Connections that are open go on with the certificate that they began with. */
function setContext(server: TlsServer, next: Credentials): void {
  server.setSecureContext(contextOptions(next.certPem, next.keyPem, next.rootsPem));
}

async function listen(server: Server, address: Address, reusePort: boolean): Promise<void> {
  if ('path' in address) await removeLeftBehind(address.path);
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(formatAddress(address), error));
    server.once('error', failed);
    const done = (): void => {
      server.off('error', failed);
      resolve();
    };
    if ('path' in address) server.listen({ path: address.path, backlog: BACKLOG }, done);
    else server.listen({ host: address.host, port: address.port, backlog: BACKLOG, reusePort }, done);
  });
}
