import type { SecureContext } from 'node:tls';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { ApiEdge, ApiProxy, ApiStatus, Convergence } from '../../proto/api/api.ts';
import type { Catalog } from '../admit/catalog.ts';
import type { JoinTokens } from '../ca/authority.ts';
import type { Registry } from '../registry/registry.ts';
import type { Store } from '../store/store.ts';

/** The sidecars that are or were connected, and what they run. */
export interface Proxies {
  list(): readonly ApiProxy[];
  /** Whether every sidecar that a revision concerns runs it. */
  convergence(revision: number): Convergence;
  /** Called when `list` may say something else. Gives the function that ends it. */
  subscribe(watcher: () => void): () => void;
}

/** Everything that the API shows or changes. */
export interface ApiParts {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly registry: Registry;
  readonly proxies: Proxies;
  readonly edges: () => readonly ApiEdge[];
  readonly tokens: JoinTokens;
  readonly trustDomain: string;
  /** What the control plane proves itself with to sidecars now. */
  readonly ownContext: () => SecureContext;
  readonly status: () => Pick<ApiStatus, 'grpc' | 'uptimeSeconds' | 'rootExpires'>;
  readonly version: string;
  /** All metrics of the control plane, in the text format of Prometheus. */
  readonly metrics: () => string;
  /** Called with the status of each answer. */
  readonly answered: (status: number) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Where Jaeger's UI is; its path is the base path that Jaeger was started with. */
  readonly jaegerUi: URL | undefined;
}
