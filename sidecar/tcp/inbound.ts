import type { Protocol } from '../../policies/policy.ts';
import type { Destination } from '../snapshot/snapshot.ts';
import type { TcpEdge } from '../telemetry/telemetry.ts';
import { type Refusal, refuse, TcpConnection, type Way } from './connection.ts';
import type { ConnectionFilter } from './filter.ts';
import type { OpenWire } from './pipe.ts';
import { type Caller, type Carries, TCP_PROTOCOL, type TcpServed, type TcpServer } from './server.ts';

/** What the app beside us speaks: `auto` when nobody says so, `detect` when it is to be told by the first octets. */
export type AppProtocol = Protocol | 'auto' | 'detect';

interface Options {
  readonly way: Way;
  readonly app: Destination;
  readonly protocol: () => AppProtocol;
  readonly edgeOf: (caller: Caller) => TcpEdge;
  readonly filter: ConnectionFilter;
}

/** Leads connections of others to the app. */
export class InboundTcp implements TcpServer {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  carries(caller: Caller, protocol: string): Carries {
    const spoken = this.#options.protocol();
    const octets = protocol === TCP_PROTOCOL;
    if (spoken === 'tcp') {
      if (octets || protocol === '') return 'tcp';
      const detail = `the caller says ${protocol}, this service speaks TCP`;
      const { edgeOf, way } = this.#options;
      refuse(caller, { code: 'PROTOCOL_MISMATCH', detail }, edgeOf(caller), way.loop);
      return 'nothing';
    }
    // Whoever says HTTP is taken at its word. A service that says HTTP gets HTTP, however it comes: what its policies
    // say of requests must hold for all of them.
    if (protocol !== '' && !octets) return 'http';
    return spoken === 'detect' || (spoken === 'auto' && octets) ? 'detect' : 'http';
  }

  mayBeSilent(): boolean {
    const spoken = this.#options.protocol();
    return spoken === 'tcp' || spoken === 'detect';
  }

  serve(open: OpenWire, caller: Caller, gone: () => void): TcpServed {
    const { way, edgeOf, app, filter } = this.#options;
    const lead = (): Destination | Refusal => {
      const denied = filter(caller);
      return denied === undefined ? app : { code: 'CONNECTION_DENIED', detail: denied };
    };
    return new TcpConnection(open, { way, caller, edge: edgeOf(caller), lead }, gone);
  }
}
