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
  services(): readonly string[];
  subscribe(watcher: (service: string) => void): () => void;
}

/** Endpoints of the sidecars that are connected to this control plane. */
export interface SidecarSource extends Source {
  /** Adds or replaces the endpoint of an instance. */
  put(service: string, endpoint: Omit<RegistryEndpoint, 'source' | 'version'>): void;
  remove(service: string, id: string): void;
}
