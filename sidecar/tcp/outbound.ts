import type { Snapshot } from '../snapshot/snapshot.ts';
import { TcpConnection, type Way } from './connection.ts';
import type { OpenWire } from './pipe.ts';
import type { Caller, Carries, TcpServed, TcpServer } from './server.ts';

/** Leads the connections of one local port to one service. */
export class OutboundTcp implements TcpServer {
  readonly #way: Way;
  readonly #service: string;
  readonly #snapshot: () => Snapshot;
  readonly #resolve: (service: string) => Promise<void> | undefined;

  /** `service`: `namespace/name`. `resolve`: as in ListenerContext. */
  constructor(options: {
    readonly way: Way;
    readonly service: string;
    readonly snapshot: () => Snapshot;
    readonly resolve: (service: string) => Promise<void> | undefined;
  }) {
    this.#way = options.way;
    this.#service = options.service;
    this.#snapshot = options.snapshot;
    this.#resolve = options.resolve;
  }

  /** As the service says now: a service that changes its mind is believed from the next connection on. */
  carries(): Carries | Promise<Carries> {
    const known = this.#known();
    if (known !== 'nothing' || this.#snapshot().absent.has(this.#service)) return known;
    return this.#resolve(this.#service)?.then(() => this.#known()) ?? known;
  }

  #known(): Carries {
    const protocol = this.#snapshot().services.get(this.#service)?.protocol;
    if (protocol === undefined) return 'nothing';
    return protocol === 'tcp' ? 'tcp' : protocol === 'auto' ? 'detect' : 'http';
  }

  mayBeSilent(): boolean {
    return true;
  }

  serve(open: OpenWire, _caller: Caller, gone: () => void): TcpServed {
    const connection = new TcpConnection(open, this.#way, gone);
    return {
      owner: connection.owner,
      begin: () => {
        const service = this.#snapshot().services.get(this.#service);
        if (service === undefined) connection.fail('NO_SERVICE', `${this.#service} is not known any more`);
        else connection.begin(service.destination);
      },
      drain() {},
      destroy: () => connection.fail('DRAINING', 'this sidecar is shutting down'),
    };
  }
}
