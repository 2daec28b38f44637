import type { Protocol } from '../../policies/policy.ts';
import type { Destination } from '../snapshot/snapshot.ts';
import { TcpConnection, type Way } from './connection.ts';
import type { OpenWire } from './pipe.ts';
import { type Caller, type Carries, TCP_PROTOCOL, type TcpServed, type TcpServer } from './server.ts';

/** What the app beside us speaks: `auto` when nobody says so, `detect` when it is to be told by the first octets. */
export type AppProtocol = Protocol | 'auto' | 'detect';

/** Leads connections of others to the app. */
export class InboundTcp implements TcpServer {
  readonly #way: Way;
  readonly #app: Destination;
  readonly #protocol: () => AppProtocol;

  constructor(options: {
    readonly way: Way;
    readonly app: Destination;
    readonly protocol: () => AppProtocol;
  }) {
    this.#way = options.way;
    this.#app = options.app;
    this.#protocol = options.protocol;
  }

  carries(_caller: Caller, protocol: string): Carries {
    const spoken = this.#protocol();
    const octets = protocol === TCP_PROTOCOL;
    if (spoken === 'tcp') return octets || protocol === '' ? 'tcp' : 'nothing';
    // Whoever says HTTP is taken at its word. A service that says HTTP gets HTTP, however it comes: what its policies
    // say of requests must hold for all of them.
    if (protocol !== '' && !octets) return 'http';
    return spoken === 'detect' || (spoken === 'auto' && octets) ? 'detect' : 'http';
  }

  mayBeSilent(): boolean {
    const spoken = this.#protocol();
    return spoken === 'tcp' || spoken === 'detect';
  }

  serve(open: OpenWire, _caller: Caller, gone: () => void): TcpServed {
    const connection = new TcpConnection(open, this.#way, gone);
    return {
      owner: connection.owner,
      begin: () => connection.begin(this.#app),
      drain() {},
      destroy: () => connection.fail('DRAINING', 'this sidecar is shutting down'),
    };
  }
}
