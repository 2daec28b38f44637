import type { DatabaseSync } from 'node:sqlite';
import { format } from './format.ts';
import { StoreError } from './store.ts';

/** `WEFT` in ASCII: SQLite keeps it in the header of the file, so that `file` and we can tell whose it is. */
const applicationId = 0x57454654;

const tables = `
  CREATE TABLE log (revision INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE snapshot (revision INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
  -- AUTOINCREMENT never gives a number twice, so the version of a deleted key cannot come back with a new value.
  CREATE TABLE vault (version INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, value BLOB NOT NULL) STRICT;
`;

/**
 * Takes the database for this process alone and creates its tables when it is new. Throws StoreError CORRUPT for a file of
 * another program or of a newer Weft, and what SQLite throws.
 */
export function openSchema(db: DatabaseSync, dir: string): void {
  // Before the first access: an exclusive lock that the kernel takes back when this process dies, however it dies.
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  db.exec('PRAGMA journal_mode = WAL');
  // FULL: a commit returns when its bytes are on the disk (on macOS only fullfsync means that).
  db.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
  db.exec('BEGIN EXCLUSIVE');
  const id = pragma(db, 'application_id');
  const version = pragma(db, 'user_version');
  if (id === 0 && version === 0 && isEmpty(db)) {
    db.exec(`${tables} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${format};`);
  } else if (id !== applicationId) {
    throw new StoreError('CORRUPT', `weft.sqlite in ${dir} is the database of another program: give another folder`);
  } else if (version !== format) {
    const advice = 'run that Weft, or give a folder with a copy from before the upgrade';
    throw new StoreError(
      'CORRUPT',
      `the store in ${dir} was written by a newer Weft (format ${version}; this one reads ${format}): ${advice}`,
    );
  }
  db.exec('COMMIT');
}

const pragma = (db: DatabaseSync, name: 'application_id' | 'user_version'): number =>
  Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);

const isEmpty = (db: DatabaseSync): boolean => db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
