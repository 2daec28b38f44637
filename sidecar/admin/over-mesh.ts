import type { Server } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../../lib/log.ts';
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

/** Takes connections whose caller has proved that it is the control plane. */
export type TakeAdmin = (socket: TLSSocket) => void;

/**
 * The pages of the admin server for whoever reaches only the inbound listener. Pages are read there and nothing is done:
 * GET and HEAD are the only methods, whatever the admin server itself takes.
 */
export function adminOverMesh(read: ReadPage, log: Log): TakeAdmin {
  let server: Server | undefined;
  let open = 0;
  return (socket) => {
    if (open >= maxConnections) {
      socket.destroy();
      return;
    }
    open++;
    socket.once('close', () => open--);
    server ??= newServer(read, log);
    server.emit('connection', socket);
    socket.resume();
  };
}

/** It listens nowhere. Not imported: an import of node:http evaluates all that it exports, which costs 15 MB. */
function newServer(read: ReadPage, log: Log): Server {
  const server = process
    .getBuiltinModule('node:http')
    .createServer({ keepAliveTimeout: idleMs }, (request, response) =>
      send(
        response,
        request,
        () =>
          request.method === 'GET' || request.method === 'HEAD' ? read(request.url ?? '') : methodRefused('GET, HEAD'),
        log,
      ),
    );
  server.setTimeout(idleMs);
  return server;
}
