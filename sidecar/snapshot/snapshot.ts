import type { Random } from '../../lib/random.ts';
import type { Balancer, Match, Picker, Protocol } from '../../policies/policy.ts';
import type { Chain } from '../http/chain.ts';
import type { UpstreamSpec } from '../tcp/upstreams.ts';
import type { Edge } from '../telemetry/telemetry.ts';
import type { Endpoint } from '../upstream/endpoint.ts';

/** Everything that the data path needs, compiled. A request pins the one it begins with and keeps it to its end. */
export interface Snapshot {
  readonly revision: number;
  /** Services that this sidecar can send to, by `namespace/name`. */
  readonly services: ReadonlyMap<string, ServiceRoutes>;
  /** Services that the control plane says do not exist. */
  readonly absent: ReadonlySet<string>;
  /** Where services are on loopback, by `namespace/name`. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Local addresses that resources ask for, in the order of their names. */
  readonly upstreams: readonly UpstreamSpec[];
  /** The way to the app beside us. */
  readonly app: CompiledRule;
  /** False until there was a configuration: until then nothing passes outbound. */
  readonly ready: boolean;
}

/** Before there was any configuration; the way to the app is missing. */
export const emptySnapshot: Omit<Snapshot, 'app'> = {
  revision: 0,
  services: new Map(),
  absent: new Set(),
  addresses: new Map(),
  upstreams: [],
  ready: false,
};

export interface ServiceRoutes {
  /** `namespace/name`. */
  readonly key: string;
  /** What it speaks; `auto`: there is no resource that says so. */
  readonly protocol: Protocol | 'auto';
  /** By which callers name it. */
  readonly ports: readonly number[];
  /** Its own endpoints, where connections that carry no requests go, whatever routes say. */
  readonly destination: Destination;
  /** Best match first; the last one takes whatever is left, unless routes say otherwise. None for `tcp`. */
  readonly rules: readonly RankedRule[];
  readonly edge: Edge;
}

/** One way in which a rule can match. */
export interface RankedRule {
  readonly rule: CompiledRule;
  readonly match: Match;
  /** Lower case; a leading `*.` is a wildcard; empty: any. */
  readonly hostnames: readonly string[];
}

export interface CompiledRule {
  readonly name: string;
  readonly chain: Chain;
  readonly backends: readonly CompiledBackend[];
  readonly random: Random;
  /** Sum of the backends' weights. */
  readonly weight: number;
}

export interface CompiledBackend {
  readonly weight: number;
  /** undefined: the route names a service that does not exist. */
  readonly destination: Destination | undefined;
}

/**
 * The endpoints of one service, and the choice among them. Lives across snapshots, so that connections, counters and the
 * place in a rotation outlive a change of configuration; `picker` is replaced whole.
 */
export interface Destination {
  /** `namespace/name`. */
  readonly service: string;
  endpoints: readonly Endpoint[];
  /** Monotonic ms until which its first endpoints may still be on their way: requests wait for them so long. */
  readonly graceUntilMs: number;
  /** Its endpoints speak HTTP/2 where nothing else says so: in plain text, with prior knowledge. */
  http2: boolean;
  balancer: Balancer;
  picker: Picker;
}
