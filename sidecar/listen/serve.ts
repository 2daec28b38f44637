import type { Socket } from 'node:net';
import type { ListenerContext } from '../http/context.ts';
import { H1Server } from '../http/h1/server.ts';
import { H2Server } from '../http/h2/server.ts';
import { nobody, Wire, type WireOwner } from '../net/wire.ts';
import type { OpenWire } from '../tcp/pipe.ts';
import { type Caller, type Carries, TCP_PROTOCOL, type TcpServer } from '../tcp/server.ts';
import type { ConnectionStats } from '../telemetry/telemetry.ts';
import type { Connections, Open } from './connections.ts';
import { Detect } from './detect.ts';

/** What all connections of one listener share. */
export interface Serving {
  readonly context: ListenerContext;
  readonly stats: ConnectionStats;
  readonly connections: Connections;
  /** Absent: the listener is for HTTP only. */
  readonly tcp: TcpServer | undefined;
  /** False: HTTP/2 in plain text is refused, as HTTP/1.1 refuses whatever it is not. */
  readonly plainHttp2: boolean;
}

/** A connection of which no octet has been looked at. The socket has not been read from, or is paused. */
export interface Accepted {
  readonly socket: Socket;
  readonly caller: Caller;
  /** What its handshake has agreed on (ALPN); '' for nothing. */
  readonly protocol: string;
  /** It has had its time to speak first, and has said nothing. */
  readonly silent: boolean;
}

/** Hands a connection to whoever speaks what it carries. */
export function serve(accepted: Accepted, to: Serving): void {
  to.stats.opened();
  const { socket, caller, protocol } = accepted;
  const carried = to.tcp === undefined ? 'http' : to.tcp.carries(caller, protocol);
  if (typeof carried === 'string') {
    to.context.loop.turn(() => begin(accepted, carried, to));
    return;
  }
  const waiting: Open = { drain() {}, destroy: () => socket.destroy() };
  to.connections.add(waiting);
  // Until there is a wire nobody else listens.
  socket.on('error', () => socket.destroy());
  const known = (carries: Carries): void =>
    to.context.loop.turn(() => {
      begin(accepted, carries, to);
      to.connections.remove(waiting);
    });
  carried.then(known, () => known('nothing'));
}

function begin(accepted: Accepted, carries: Carries, to: Serving): void {
  const { socket, caller, protocol, silent } = accepted;
  const fresh: OpenWire = (owner) => new Wire(socket, owner, to.context.loop);
  if (socket.destroyed || carries === 'nothing') {
    socket.destroy();
    to.stats.closed();
  } else if (carries === 'tcp' || (carries === 'detect' && silent)) serveTcp(fresh, caller, to);
  // The handshake has said which.
  else if (carries === 'http' && caller.secure && protocol !== TCP_PROTOCOL)
    serveHttp(fresh(nobody), protocol === 'h2', caller, to);
  else detect(accepted, carries === 'detect', to);
}

function detect({ socket, caller }: Accepted, opaqueToo: boolean, to: Serving): void {
  const detecting: Detect = new Detect(
    socket,
    to.context,
    opaqueToo,
    (wire, spoken) => {
      const open: OpenWire = (owner) => {
        wire.owner = owner;
        return wire;
      };
      const owner =
        spoken === 'opaque'
          ? serveTcp(open, caller, to)
          : serveHttp(wire, spoken === 'h2' && to.plainHttp2, caller, to);
      to.connections.remove(detecting);
      return owner;
    },
    () => gone(detecting, to),
  );
  to.connections.add(detecting);
}

function serveHttp(wire: Wire, http2: boolean, caller: Caller, to: Serving): WireOwner {
  const closed = (): void => gone(connection, to);
  const connection: H1Server | H2Server = http2
    ? new H2Server(wire, caller, to.context, closed)
    : new H1Server(wire, caller, to.context, closed);
  to.connections.add(connection);
  return connection;
}

function serveTcp(open: OpenWire, caller: Caller, to: Serving): WireOwner {
  const connection = to.tcp!.serve(open, caller, () => gone(connection, to));
  to.connections.add(connection);
  connection.begin();
  return connection.owner;
}

function gone(one: Open, to: Serving): void {
  to.stats.closed();
  to.connections.remove(one);
}
