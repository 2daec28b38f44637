import { randomUUID } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import { type BlockingQuery, startBlockingQuery } from '../consul/blocking-query.ts';
import { ConsulClient, ConsulError, type ConsulOptions } from '../consul/client.ts';
import { ConsulKv } from './consul-kv.ts';
import { ConsulLog, type Head } from './consul-log.ts';
import { ConsulVault } from './consul-vault.ts';
import { Feed } from './feed.ts';
import { checkRevision, decodeRevision, encodeRevision, snapshotEvery } from './format.ts';
import { type NewRevision, type Revision, type State, type Store, StoreError, type Vault } from './store.ts';

export interface ConsulStoreOptions extends ConsulOptions {
  /** What all keys begin with (default `weft`): several meshes can share one Consul. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens the store in the key/value store of Consul; resolves when the end of the log has been read. Any number of control
 * planes may have it open. Throws StoreError UNAVAILABLE when Consul cannot be reached, CORRUPT for keys that are not ours
 * or of a newer Weft, RangeError for an address that is none.
 */
export async function openConsulStore(options: ConsulStoreOptions): Promise<Store> {
  const client = new ConsulClient(options);
  const kv = new ConsulKv(client, (options.prefix ?? 'weft').replace(/\/*$/, '/'));
  const log = new ConsulLog(kv);
  try {
    let { value: head } = await log.head();
    if (head === undefined) {
      await log.create();
      ({ value: head } = await log.head());
    }
    if (head === undefined) throw new StoreError('UNAVAILABLE', 'Consul lost the key head right after it was written');
    const state = await log.stateAt(head.revision);
    return new ConsulStore({ client, kv, log, head, state, options });
  } catch (thrown) {
    client.close();
    throw storeError(thrown, false);
  }
}

interface Opened {
  readonly client: ConsulClient;
  readonly kv: ConsulKv;
  readonly log: ConsulLog;
  readonly head: Head;
  readonly state: State;
  readonly options: ConsulStoreOptions;
}

class ConsulStore implements Store {
  readonly name = 'consul';
  readonly vault: Vault;
  readonly #client: ConsulClient;
  readonly #revisions: ConsulLog;
  readonly #feed: Feed;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watch: BlockingQuery;
  /** Of the revision that `current` is at. */
  #head: Head;
  #healthy = true;
  #closed = false;
  /** A check that the log still holds what we have served is due: after an outage, or when an index went backwards. */
  #doubtful = false;
  #snapshot: Promise<void> = Promise.resolve();

  constructor({ client, kv, log, head, state, options }: Opened) {
    this.#client = client;
    this.#revisions = log;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#head = head;
    this.#feed = new Feed(state, options.log);
    this.vault = new ConsulVault(kv, (write, call) => this.#guard(write, call));
    this.#watch = startBlockingQuery({
      ask: (read) => this.#revisions.head(read),
      answered: (found, rewound) => this.#observe(found, rewound),
      failed: (thrown) => void this.#unhealthy(thrown),
      clock: options.clock,
      random: systemRandom,
    });
  }

  current(): State {
    return this.#feed.current;
  }

  healthy(): boolean {
    return this.#healthy && !this.#closed;
  }

  async append(expected: number, next: NewRevision): Promise<Revision> {
    if (expected !== this.#head.revision || this.#doubtful) await this.#guard(false, () => this.#refresh());
    const head = this.#head;
    if (expected !== head.revision) throw conflict(expected, head.revision);
    const { author, message, mutations } = next;
    const json = encodeRevision({ revision: expected + 1, at: this.#clock.wall(), author, message, mutations });
    const uid = randomUUID();
    const appended = await this.#write(head, uid, json);
    if (appended === undefined) {
      // Whoever gets a conflict reads `current` and tries again: by then it has what was appended before.
      await this.#guard(false, () => this.#refresh());
      await this.#guard(false, () => this.#revisions.forget(uid));
      throw conflict(expected, this.#head.revision);
    }
    const revision = decodeRevision(json, `revision ${expected + 1}`);
    this.#advance(revision, appended);
    if (revision.revision % snapshotEvery === 0) this.#writeSnapshot();
    return revision;
  }

  async revisions(from: number, to: number, limit = 100): Promise<readonly Revision[]> {
    const first = Math.max(1, from);
    const last = Math.min(to, this.current().revision, first + limit - 1);
    return this.#guard(false, () => this.#revisions.read(first, last));
  }

  async stateAt(revision: number): Promise<State> {
    checkRevision(revision, this.current().revision);
    return this.#guard(false, () => this.#revisions.stateAt(revision));
  }

  subscribe(watcher: (state: State, revision: Revision) => void): () => void {
    return this.#feed.subscribe(watcher);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#client.close();
    await Promise.all([this.#watch.close(), this.#snapshot]);
  }

  /** The new head, or undefined when the log had moved on. When no answer comes, it looks whether the write has landed. */
  async #write(head: Head, uid: string, json: string): Promise<Head | undefined> {
    try {
      return await this.#revisions.append(head, uid, json);
    } catch (thrown) {
      this.#failed(thrown);
      const revision = head.revision + 1;
      const landed = isUnknown(thrown) ? await this.#uidOf(revision) : undefined;
      // Not there now is no proof: the request may still be on its way.
      if (landed === undefined) throw storeError(thrown, true);
      // The index is not known: `#doubtful` is set, so it is read before the next append.
      return landed === uid ? { revision, uid, index: 0 } : undefined;
    }
  }

  /** Undefined also when it cannot be read. */
  async #uidOf(revision: number): Promise<string | undefined> {
    try {
      return await this.#revisions.uidOf(revision);
    } catch (thrown) {
      this.#failed(thrown);
      return undefined;
    }
  }

  /** Reads where the log ends now, and goes there. */
  async #refresh(): Promise<void> {
    const { revision, uid } = this.#head;
    const { value: head } = await this.#revisions.head();
    // The read began after we knew `revision`, and it is consistent: if the log does not have it now, it was taken back.
    const there = head !== undefined && head.revision >= revision;
    const same = there && (head.revision === revision ? head.uid : await this.#revisions.uidOf(revision)) === uid;
    if (!same && revision > 0) {
      const end = head === undefined ? 'has no log' : `holds another log, which ends at revision ${head.revision}`;
      const next = 'it seems that an older copy was restored: restart the control planes to go on from that';
      throw new StoreError('UNAVAILABLE', `this control plane serves revision ${revision}, but Consul ${end}; ${next}`);
    }
    if (head === undefined) throw new StoreError('UNAVAILABLE', 'Consul has lost the log; restart the control planes');
    this.#doubtful = false;
    if (!this.#healthy) this.#log.info('store.reachable', { store: this.name, revision: head.revision });
    this.#healthy = true;
    // A restored Consul counts anew, and after an append without an answer we have no index at all.
    if (head.revision === this.#head.revision) this.#head = head;
    await this.#catchUp(head);
  }

  /** An answer of the watch. It may be older than what we know by now, so only a consistent read can bring bad news. */
  async #observe(found: Head | undefined, rewound: boolean): Promise<void> {
    const older = found === undefined || found.revision < this.#head.revision;
    if (older || rewound || this.#doubtful) await this.#refresh();
    else await this.#catchUp(found);
  }

  async #catchUp(head: Head): Promise<void> {
    const from = this.current().revision + 1;
    if (from > head.revision) return;
    // Others may have moved us on while we were reading: `advance` skips what is known.
    for (const revision of await this.#revisions.read(from, head.revision)) this.#advance(revision, head);
  }

  /** `head` is that of the revision or of a later one that is about to be published in the same turn. */
  #advance(revision: Revision, head: Head): void {
    if (revision.revision <= this.current().revision) return;
    this.#head = head;
    this.#feed.publish(revision);
  }

  #writeSnapshot(): void {
    const state = this.current();
    this.#snapshot = this.#snapshot
      .then(() => this.#revisions.snapshot(state, randomUUID()))
      .catch((thrown: unknown) => {
        // Without it nothing is lost but time at the next start.
        this.#log.warn('store.snapshot_failed', { revision: state.revision, reason: messageOf(thrown) });
      });
  }

  async #guard<T>(write: boolean, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      this.#failed(thrown);
      throw storeError(thrown, write);
    }
  }

  /** After a failed request. What Consul has refused (no permission, too large) says nothing about its health. */
  #failed(thrown: unknown): void {
    const refused = thrown instanceof ConsulError && thrown.kind === 'refused' && thrown.status !== 500;
    // The watch may hang in an answer that never comes; asked anew, it also tells when all is well again.
    if (!refused && this.#unhealthy(thrown)) this.#watch.poke();
  }

  /** True when it was healthy before. */
  #unhealthy(thrown: unknown): boolean {
    this.#doubtful = true;
    if (!this.#healthy) return false;
    this.#healthy = false;
    this.#log.warn('store.unreachable', { store: this.name, reason: messageOf(thrown) });
    return true;
  }
}

const isUnknown = (thrown: unknown): boolean => thrown instanceof ConsulError && thrown.kind === 'unknown';

const conflict = (expected: number, last: number): StoreError =>
  new StoreError('CONFLICT', `the log ends at revision ${last}, not ${expected}`);

function storeError(thrown: unknown, write: boolean): unknown {
  if (!(thrown instanceof ConsulError)) return thrown;
  if (thrown.status === 413) return new StoreError('TOO_LARGE', thrown.message, thrown);
  if (!write || !isUnknown(thrown)) return new StoreError('UNAVAILABLE', thrown.message, thrown);
  return new StoreError('UNCERTAIN', `${thrown.message}; whether it was written is not known`, thrown);
}
