import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { makeFolder } from '../../lib/folder.ts';
import type { Log } from '../../lib/log.ts';
import { EmbeddedLog } from './embedded-log.ts';
import { EmbeddedVault } from './embedded-vault.ts';
import { Feed } from './feed.ts';
import { checkRevision, decodeRevision, encodeRevision } from './format.ts';
import { openSchema } from './schema.ts';
import { sqliteError } from './sqlite-error.ts';
import { type NewRevision, type Revision, type State, type Store, StoreError, type Vault } from './store.ts';

/** How long after a failed write the store tries whether it can write again. */
const probeMs = 5000;

export interface EmbeddedStoreOptions {
  /** The folder of the database file; created when it is missing. One process at a time may have it open. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens the store in a SQLite file of a folder, creating both when they are missing (file 0600, folder 0700).
 * Throws StoreError UNAVAILABLE when another process has it open or the folder cannot be written, CORRUPT when the file is
 * damaged, not ours, or of a newer Weft.
 */
export async function openEmbeddedStore({ dir, clock, log }: EmbeddedStoreOptions): Promise<Store> {
  const db = openDatabase(dir, log);
  try {
    openSchema(db, dir);
    return new EmbeddedStore(db, dir, clock, log);
  } catch (thrown) {
    db.close();
    throw sqliteError(thrown, dir);
  }
}

function openDatabase(dir: string, log: Log): DatabaseSync {
  const path = join(dir, 'weft.sqlite');
  try {
    makeFolder(dir);
    // SQLite would create it readable for all; its WAL file takes the mode of this one. One that is there is not opened
    // here: closing it again would drop the lock that another store of this process has on it.
    if (existsSync(path)) chmodSync(path, 0o600);
    else closeSync(openSync(path, 'a', 0o600));
    const mode = statSync(dir).mode & 0o777;
    if ((mode & 0o077) !== 0) log.warn('store.folder_open_to_others', { dir, mode: mode.toString(8), want: '700' });
    return new DatabaseSync(path, { timeout: 0 });
  } catch (thrown) {
    const advice = 'mend its permissions or give another folder';
    throw new StoreError('UNAVAILABLE', `cannot use the state folder ${dir}: ${messageOf(thrown)}; ${advice}`, thrown);
  }
}

/** The synchronous calls of SQLite are what makes this simple: nothing happens between a check and its write. */
class EmbeddedStore implements Store {
  readonly name = 'embedded';
  readonly vault: Vault;
  readonly #db: DatabaseSync;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #revisions: EmbeddedLog;
  readonly #feed: Feed;
  #healthy = true;
  #cancelProbe: () => void = () => {};

  constructor(db: DatabaseSync, dir: string, clock: Clock, log: Log) {
    this.#db = db;
    this.#dir = dir;
    this.#clock = clock;
    this.#log = log;
    this.#revisions = new EmbeddedLog(db, log);
    this.#feed = new Feed(this.#revisions.last(), log);
    this.vault = new EmbeddedVault(db, (run) => this.#run(run));
  }

  current(): State {
    return this.#feed.current;
  }

  healthy(): boolean {
    return this.#healthy && this.#db.isOpen;
  }

  async append(expected: number, next: NewRevision): Promise<Revision> {
    const { revision: last } = this.current();
    if (expected !== last) throw new StoreError('CONFLICT', `the log ends at revision ${last}, not ${expected}`);
    const { author, message, mutations } = next;
    const json = encodeRevision({ revision: last + 1, at: this.#clock.wall(), author, message, mutations });
    this.#run(() => this.#revisions.append(last + 1, json));
    // Read back from what was written: what is served now is what a reopened store will serve.
    const revision = decodeRevision(json, `revision ${last + 1}`);
    this.#feed.publish(revision);
    this.#revisions.snapshotIfDue(this.current());
    return revision;
  }

  async revisions(from: number, to: number, limit = 100): Promise<readonly Revision[]> {
    return this.#run(() => this.#revisions.read(from, to, limit));
  }

  async stateAt(revision: number): Promise<State> {
    checkRevision(revision, this.current().revision);
    return this.#run(() => this.#revisions.stateAt(revision));
  }

  subscribe(watcher: (state: State, revision: Revision) => void): () => void {
    return this.#feed.subscribe(watcher);
  }

  async close(): Promise<void> {
    this.#cancelProbe();
    if (this.#db.isOpen) this.#db.close();
  }

  #run<T>(work: () => T): T {
    if (!this.#db.isOpen) throw new StoreError('UNAVAILABLE', 'the store has been closed');
    try {
      const result = work();
      this.#healthy = true;
      return result;
    } catch (thrown) {
      const error = sqliteError(thrown, this.#dir);
      if (error.code === 'UNAVAILABLE' || error.code === 'UNCERTAIN') this.#probe();
      throw error;
    }
  }

  /** Writes something harmless now and then, until that works. */
  #probe(): void {
    this.#healthy = false;
    this.#cancelProbe();
    this.#cancelProbe = this.#clock.after(probeMs, () => {
      try {
        this.#run(() => this.#revisions.touch());
      } catch (thrown) {
        this.#log.warn('store.not_writable', { dir: this.#dir, reason: messageOf(thrown) });
      }
    });
  }
}
