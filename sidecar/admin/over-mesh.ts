import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../../lib/log.ts';
import type { Open } from '../listen/connections.ts';
import { type Answer, methodRefused } from './pages.ts';
import { send } from './send.ts';

/** What a connection that the control plane opens for the admin pages is called (ALPN). */
export const ADMIN_PROTOCOL = 'weft-admin';

/** Gives a page of the admin server, as a GET of `target` does. */
export type ReadPage = (target: string) => Promise<Answer>;

/** One control plane asks, over few connections: more of them are a mistake, and get none. */
const maxConnections = 16;
/** Longer than scrapes are apart, so that a sidecar that refuses connections for overload can still be looked at. */
const idleMs = 120_000;

/** Takes a connection whose caller has proved that it is the control plane. */
export type TakeAdmin = (socket: TLSSocket) => Open;

/**
 * The pages of the admin server for whoever reaches only the inbound listener. Pages are read there and nothing is done:
 * GET and HEAD are the only methods, whatever the admin server itself takes.
 */
export function adminOverMesh(read: ReadPage, log: Log): TakeAdmin {
  let server: Server | undefined;
  const open = new Map<Socket, Asked>();
  return (socket) => {
    const asked = new Asked(socket);
    if (open.size >= maxConnections) socket.destroy();
    else {
      open.set(socket, asked);
      socket.once('close', () => open.delete(socket));
      server ??= newServer(read, open, log);
      server.emit('connection', socket);
      socket.resume();
    }
    return asked;
  };
}

/** One connection, and how many of its requests have no whole answer yet. */
class Asked implements Open {
  readonly #socket: Socket;
  #answering = 0;
  #leaving = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  begin(response: ServerResponse): void {
    this.#answering++;
    response.once('close', () => {
      this.#answering--;
      this.#endIfDone();
    });
  }

  /** Called when connections that rest are to go for want of memory: the last moment to lose sight of a sidecar. */
  drain(): void {}

  leave(): void {
    this.#leaving = true;
    this.#endIfDone();
  }

  /** So that no connection outlives for long the certificates that it was opened with. */
  renew(): void {
    this.leave();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #endIfDone(): void {
    if (this.#leaving && this.#answering === 0) this.#socket.destroySoon();
  }
}

/** It listens nowhere. Not imported: an import of node:http evaluates all that it exports, which costs 15 MB. */
function newServer(read: ReadPage, open: ReadonlyMap<Socket, Asked>, log: Log): Server {
  const { createServer } = process.getBuiltinModule('node:http');
  const server = createServer({ keepAliveTimeout: idleMs }, (request, response) => {
    open.get(request.socket)?.begin(response);
    const { method, url = '' } = request;
    const reads = method === 'GET' || method === 'HEAD';
    return send(response, request, () => (reads ? read(url) : methodRefused('GET, HEAD')), log);
  });
  server.setTimeout(idleMs);
  return server;
}
