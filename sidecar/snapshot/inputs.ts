import type { Issue } from '../../lib/issues.ts';
import type { ResourceKey } from '../../policies/resource.ts';

/** A resource as it came over the wire or out of a file: normalised, not yet compiled. */
export interface HeldResource {
  readonly key: ResourceKey;
  readonly version: string;
  readonly spec: unknown;
}

/** One address of a service, as told. */
export interface EndpointSpec {
  readonly id: string;
  /** IP address, or `unix:PATH`. */
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** SPIFFE ID that it must prove; '' for plain text. */
  readonly identity: string;
  readonly locality: string;
  readonly version: string;
}

/** Everything that a sidecar has been told: what a snapshot is compiled from, and what is kept on disk. */
export interface Inputs {
  readonly revision: number;
  /** By `keyText`. */
  readonly resources: ReadonlyMap<string, HeldResource>;
  /** By `namespace/name`, then by endpoint id. A service that is here with no endpoint is known to have none. */
  readonly endpoints: ReadonlyMap<string, ReadonlyMap<string, EndpointSpec>>;
  /** Where services are on loopback, by `namespace/name`, as far as that is known: each at an address of its own. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Subscribed services that exist nowhere, as `namespace/name`. */
  readonly absent: ReadonlySet<string>;
}

/**
 * Compiles the inputs aside and swaps the snapshot. No issues: they are in force. Otherwise nothing has changed, and the
 * issues say why.
 */
export type Accept = (inputs: Inputs) => Promise<readonly Issue[]>;
