import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import {
  decodeRevision,
  decodeState,
  emptyState,
  encodeState,
  format,
  replay,
  snapshotEvery,
  snapshotKeep,
} from './format.ts';
import { type Revision, type State, StoreError } from './store.ts';

/** The log and its snapshots as rows. Throws what SQLite throws, and StoreError CORRUPT for rows that cannot be right. */
export class EmbeddedLog {
  readonly #db: DatabaseSync;
  readonly #log: Log;
  readonly #insert: StatementSync;
  readonly #range: StatementSync;
  readonly #nearest: StatementSync;
  #snapshotAt = 0;

  constructor(db: DatabaseSync, log: Log) {
    this.#db = db;
    this.#log = log;
    this.#insert = db.prepare('INSERT INTO log (revision, body) VALUES (?, ?)');
    this.#range = db.prepare('SELECT revision, body FROM log WHERE revision BETWEEN ? AND ? ORDER BY revision LIMIT ?');
    this.#nearest = db.prepare(
      'SELECT revision, body FROM snapshot WHERE revision <= ? ORDER BY revision DESC LIMIT 1',
    );
  }

  /** The state at the end. */
  last(): State {
    const { last, count } = this.#db
      .prepare('SELECT coalesce(max(revision), 0) AS last, count(*) AS count FROM log')
      .get()!;
    if (last !== count) throw new StoreError('CORRUPT', `the log ends at revision ${last} but has ${count} revisions`);
    return this.stateAt(Number(last));
  }

  /** One statement is one transaction: when it returns, the revision is on the disk. */
  append(revision: number, json: string): void {
    this.#insert.run(revision, json);
  }

  /** Revisions `from` to `to`, oldest first, at most `limit`. */
  read(from: number, to: number, limit: number): readonly Revision[] {
    return this.#range.all(from, to, limit).map((row) => {
      const revision = decodeRevision(String(row.body), `revision ${row.revision}`);
      if (revision.revision === row.revision) return revision;
      throw new StoreError('CORRUPT', `revision ${row.revision} says that it is ${revision.revision}`);
    });
  }

  /** From the nearest snapshot before it. */
  stateAt(revision: number): State {
    const row = this.#nearest.get(revision);
    const start = row === undefined ? emptyState : decodeState(String(row.body), `the snapshot at ${row.revision}`);
    this.#snapshotAt = Math.max(this.#snapshotAt, start.revision);
    const state = replay(start, this.read(start.revision + 1, revision, Number.MAX_SAFE_INTEGER));
    if (state.revision === revision) return state;
    throw new StoreError('CORRUPT', `the log has no revision ${state.revision + 1}, though it goes on after it`);
  }

  /** Without a snapshot nothing is lost but time at the next start, so a failure is only logged. */
  snapshotIfDue(state: State): void {
    if (state.revision - this.#snapshotAt < snapshotEvery) return;
    this.#snapshotAt = state.revision;
    try {
      this.#db.prepare('INSERT INTO snapshot (revision, body) VALUES (?, ?)').run(state.revision, encodeState(state));
      this.#db
        .prepare('DELETE FROM snapshot WHERE revision < ? AND revision % ? <> 0')
        .run(state.revision, snapshotKeep);
    } catch (thrown) {
      this.#log.warn('store.snapshot_failed', { revision: state.revision, reason: messageOf(thrown) });
    }
  }

  /** A write that changes nothing: throws when the disk takes no writes. */
  touch(): void {
    this.#db.exec(`PRAGMA user_version = ${format}`);
  }
}
