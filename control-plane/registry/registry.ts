import type { Protocol } from '../../policies/policy.ts';

/** What a service says of itself when it joins, for a mesh that has no Service resource of it. */
export interface Declared {
  /** By which others name it. */
  readonly port: number;
  /** '' when nobody has said. */
  readonly protocol: Protocol | '';
}

/** One address of a service, and where we know it from. */
export interface RegistryEndpoint {
  /** Unique within its service and stable for the life of the instance. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** SPIFFE ID that it must prove; '' for plain text. */
  readonly identity: string;
  readonly locality: string;
  /** `static` (Service resource), `sidecar` (connected here), `consul` (the catalog). */
  readonly source: string;
  readonly declared?: Declared | undefined;
  /** Content hash of all but `source`. */
  readonly version: string;
}

/**
 * Somebody who knows endpoints. Services are named `namespace/name`. A source that cannot be reached keeps its last
 * answer: only its explicit word removes an endpoint.
 */
export interface Source {
  readonly name: string;
  endpoints(service: string): readonly RegistryEndpoint[];
  /** Every service that it has an endpoint of. */
  services(): readonly string[];
  /** Called with the service whose endpoints changed. Gives the function that ends it. */
  subscribe(watcher: (service: string) => void): () => void;
  close(): Promise<void>;
}

/** All sources together. An endpoint that two sources know by the same id counts once, the earlier source winning. */
export interface Registry {
  endpoints(service: string): readonly RegistryEndpoint[];
  /** Every service that has an endpoint, or has had one that joined. */
  services(): readonly string[];
  /** What those who have joined say of their service. */
  declared(service: string): Declared | undefined;
  subscribe(watcher: (service: string) => void): () => void;
}

/** A sidecar that is connected and takes no requests. */
export interface Unready {
  readonly service: string;
  /** As it would be. */
  readonly endpoint: Found;
  readonly reason: string;
}

/** An endpoint as a source learns of it. */
export type Found = Omit<RegistryEndpoint, 'source' | 'version'>;

/** Endpoints of the sidecars that are connected to this control plane. */
export interface SidecarSource extends Source {
  /** Adds or replaces the endpoint of an instance. */
  put(service: string, endpoint: Found): void;
  /** The instance is there and no endpoint: nobody calls it, and the catalog of Consul shows why. */
  putUnready(service: string, endpoint: Found, reason: string): void;
  remove(service: string, id: string): void;
  unready(): readonly Unready[];
  /** Called when `unready` is another. Gives the function that ends it. */
  onUnready(watcher: () => void): () => void;
}
