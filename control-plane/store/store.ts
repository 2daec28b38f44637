import type { Resource, ResourceKey } from '../../policies/resource.ts';

/** One resource put in place (normalised) or taken away. */
export type Mutation =
  | { readonly op: 'put'; readonly resource: Resource }
  | { readonly op: 'delete'; readonly key: ResourceKey };

/** One entry of the log. Never changed once it is there; the state of the mesh is the log replayed. */
export interface Revision {
  /** 1, 2, 3, … without gaps. */
  readonly revision: number;
  /** Epoch ms. */
  readonly at: number;
  readonly author: string;
  readonly message: string;
  readonly mutations: readonly Mutation[];
}

export type NewRevision = Omit<Revision, 'revision' | 'at'>;

/** The resources at one revision, by `keyText`. */
export interface State {
  readonly revision: number;
  readonly resources: ReadonlyMap<string, Resource>;
}

export type StoreErrorCode =
  /** Somebody else appended first: read again and decide again. */
  | 'CONFLICT'
  /** The store cannot be reached or cannot write now; nothing was done. */
  | 'UNAVAILABLE'
  /** The write was sent and no answer came: it may or may not be there. */
  | 'UNCERTAIN'
  /** Too large for this store. */
  | 'TOO_LARGE'
  /** What was read is not in our format. */
  | 'CORRUPT';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/**
 * An append-only log of revisions with a derived state, and a small vault beside it. One contract, two stores
 * (embedded.ts, consul.ts), one contract test (store-contract.ts).
 *
 * What `append` has acknowledged survives a kill -9 of this process at any moment.
 */
export interface Store {
  /** `embedded` or `consul`. */
  readonly name: string;
  /**
   * The state at the end of the log, as this process knows it; never goes backwards. Known before the store's open
   * function resolves, so there is no moment at which an unread store looks like an empty mesh.
   */
  current(): State;
  /** False while the store cannot be reached; `current` stays the last good one. */
  healthy(): boolean;
  /**
   * Appends after revision `expected`, or throws StoreError CONFLICT when the log has moved on. Resolves once the
   * revision is durable and `current` has it.
   */
  append(expected: number, next: NewRevision): Promise<Revision>;
  /** Revisions `from` to `to`, both included, oldest first; at most `limit` (default 100). */
  revisions(from: number, to: number, limit?: number): Promise<readonly Revision[]>;
  /** The state as it was at a revision. Throws RangeError when there is no such revision. */
  stateAt(revision: number): Promise<State>;
  /** Called after each new revision, in order, whoever appended it. Gives the function that ends it. */
  subscribe(watcher: (state: State, revision: Revision) => void): () => void;

  /** Small values that are not history: CA keys (already encrypted), join tokens. Reads are consistent, never stale. */
  readonly vault: Vault;
  close(): Promise<void>;
}

export interface Vault {
  get(key: string): Promise<VaultEntry | undefined>;
  /** Keys that begin with `prefix`, in order. */
  list(prefix: string): Promise<readonly string[]>;
  /** Writes when the entry still has `version` (0: it does not exist yet). False when it has moved on. */
  put(key: string, value: Uint8Array, version: number): Promise<boolean>;
  /** Deletes when the entry still has `version`. Of several callers exactly one gets true. */
  delete(key: string, version: number): Promise<boolean>;
}

export interface VaultEntry {
  readonly value: Uint8Array;
  /** Greater than 0; grows with each write. */
  readonly version: number;
}
