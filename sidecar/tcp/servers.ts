import { parseSpiffe } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { ListenerContext } from '../http/context.ts';
import type { Files } from '../limits/files.ts';
import type { Destination } from '../snapshot/snapshot.ts';
import type { TcpEdge, Telemetry } from '../telemetry/telemetry.ts';
import type { LiveCredentials } from '../tls/credentials.ts';
import { connector } from '../upstream/connect.ts';
import type { Way } from './connection.ts';
import type { ConnectionFilter } from './filter.ts';
import { type AppProtocol, InboundTcp } from './inbound.ts';
import { OutboundTcp } from './outbound.ts';
import { type Caller, TCP_PROTOCOL, type TcpServer } from './server.ts';

/** Endpoints that are tried for one connection. */
const TRIES = 3;

/** Who takes connections of octets: those for the app beside us, and those for a service. */
export interface TcpServers {
  inbound(context: ListenerContext): TcpServer;
  /** `service`: `namespace/name`. */
  outbound(service: string, context: ListenerContext): TcpServer;
}

export function tcpServers(options: {
  readonly app: Destination;
  /** What the app speaks, as far as that is known now. */
  readonly appProtocol: () => AppProtocol;
  /** Who may connect to the app. */
  readonly filter: ConnectionFilter;
  readonly credentials: LiveCredentials | undefined;
  readonly files: Files;
  readonly telemetry: Telemetry;
}): TcpServers {
  const { app, appProtocol, filter, credentials, files, telemetry } = options;
  const toApp = connector(undefined, telemetry.connections('inbound', 'upstream'), files, []);
  const toEndpoint = connector(credentials, telemetry.connections('outbound', 'upstream'), files, [TCP_PROTOCOL]);
  const edgeOf = ({ peer }: Caller): TcpEdge => {
    const id = parseSpiffe(peer);
    return telemetry.tcp('inbound', id === undefined ? 'unknown' : serviceKey(id.namespace, id.service));
  };
  return {
    inbound({ loop, limits }) {
      const way: Way = { direction: 'inbound', loop, connect: toApp, idleMs: limits.tcpIdleMs, tries: 1 };
      return new InboundTcp({ way, app, protocol: appProtocol, edgeOf, filter });
    },
    outbound(service, { loop, limits, snapshot, resolve }) {
      const way: Way = { direction: 'outbound', loop, connect: toEndpoint, idleMs: limits.tcpIdleMs, tries: TRIES };
      return new OutboundTcp({ way, service, snapshot, resolve, edge: telemetry.tcp('outbound', service) });
    },
  };
}
