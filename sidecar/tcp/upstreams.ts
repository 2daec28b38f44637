import { type Address, formatAddress } from '../../lib/address.ts';
import type { Listener } from '../listen/listener.ts';

/** A local address that leads to one service. */
export interface UpstreamSpec {
  /** `namespace/name`. */
  readonly service: string;
  readonly address: Address;
}

/** One of them, for people. */
export interface UpstreamDump {
  readonly service: string;
  /** As it was chosen, where port 0 was asked for. */
  readonly listen: string;
  readonly connections: number;
}

interface Opened {
  readonly spec: UpstreamSpec;
  readonly listener: Listener;
}

/** The listeners that lead to one service each. Owned by whoever has the other listeners. */
export class Upstreams {
  readonly #listen: (spec: UpstreamSpec) => Promise<Listener>;
  readonly #opened: Opened[] = [];

  constructor(listen: (spec: UpstreamSpec) => Promise<Listener>) {
    this.#listen = listen;
  }

  /** Rejects when it cannot be listened there. */
  async open(spec: UpstreamSpec): Promise<Listener> {
    const listener = await this.#listen(spec);
    this.#opened.push({ spec, listener });
    return listener;
  }

  dump(): readonly UpstreamDump[] {
    return this.#opened.map(({ spec, listener }) => ({
      service: spec.service,
      listen: formatAddress(listener.address),
      connections: listener.connections,
    }));
  }
}
