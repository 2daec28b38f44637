import type { Destination, Snapshot } from '../snapshot/snapshot.ts';
import type { TcpEdge } from '../telemetry/telemetry.ts';
import { type Refusal, refuse, TcpConnection, type Way } from './connection.ts';
import type { OpenWire } from './pipe.ts';
import type { Caller, Carries, TcpServed, TcpServer } from './server.ts';

interface Options {
  readonly way: Way;
  /** `namespace/name`. */
  readonly service: string;
  readonly snapshot: () => Snapshot;
  /** As in ListenerContext. */
  readonly resolve: (service: string) => Promise<void> | undefined;
  readonly edge: TcpEdge;
}

/** Leads the connections of one local address to one service. */
export class OutboundTcp implements TcpServer {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** As the service says now: a service that changes its mind is believed from the next connection on. */
  carries(caller: Caller): Carries | Promise<Carries> {
    const { service, snapshot, resolve } = this.#options;
    const { services, absent } = snapshot();
    if (services.has(service) || absent.has(service)) return this.#known(caller);
    return resolve(service)?.then(() => this.#known(caller)) ?? this.#known(caller);
  }

  #known(caller: Caller): Carries {
    const { service, snapshot, edge, way } = this.#options;
    const protocol = snapshot().services.get(service)?.protocol;
    if (protocol === 'tcp') return 'tcp';
    if (protocol === 'auto') return 'detect';
    if (protocol !== undefined) return 'http';
    refuse(caller, this.#unknown(), edge, way.loop);
    return 'nothing';
  }

  #unknown(): Refusal {
    const { service, snapshot } = this.#options;
    if (snapshot().ready) return { code: 'NO_SERVICE', detail: `there is no service ${service}` };
    return { code: 'NOT_READY', detail: 'there is no configuration yet' };
  }

  mayBeSilent(): boolean {
    return true;
  }

  serve(open: OpenWire, caller: Caller, gone: () => void): TcpServed {
    const { way, edge, service, snapshot } = this.#options;
    const lead = (): Destination | Refusal => snapshot().services.get(service)?.destination ?? this.#unknown();
    return new TcpConnection(open, { way, caller, edge, lead }, gone);
  }
}
