import { StoreError } from './store.ts';

// https://sqlite.org/rescode.html: three primary codes, two extended ones.
const busy = 5;
const ioError = 10;
const corrupt = 11;
const full = 13;
const notADatabase = 26;
const ioErrorFsync = 1034;
const ioErrorDirFsync = 1290;

/** What SQLite threw, as what it means for whoever uses the store in `dir`. Errors that are not of SQLite are thrown on. */
export function sqliteError(thrown: unknown, dir: string): StoreError {
  if (thrown instanceof StoreError) return thrown;
  if (!isSqlite(thrown)) throw thrown;
  const reason = `${thrown.message} (SQLite ${thrown.errcode})`;
  if (thrown.errcode === ioErrorFsync || thrown.errcode === ioErrorDirFsync) {
    return new StoreError('UNCERTAIN', `the disk under ${dir} did not confirm a write: ${reason}`, thrown);
  }
  switch (thrown.errcode & 0xff) {
    case busy: {
      const advice = 'stop it, or give this one a folder of its own';
      return new StoreError('UNAVAILABLE', `another control plane is using the store in ${dir}: ${advice}`, thrown);
    }
    case corrupt:
    case notADatabase: {
      const advice = 'put back a copy of the folder, or move it away to begin with an empty mesh';
      return new StoreError('CORRUPT', `the store in ${dir} is damaged: ${reason}; ${advice}`, thrown);
    }
    case full:
    case ioError: {
      const advice = 'is its disk full, or may no larger file be written? Make room; traffic goes on meanwhile';
      return new StoreError('UNAVAILABLE', `the store in ${dir} cannot be written now: ${reason}; ${advice}`, thrown);
    }
    default:
      return new StoreError('UNAVAILABLE', `the store in ${dir} cannot be used now: ${reason}`, thrown);
  }
}

interface SqliteError {
  readonly message: string;
  readonly errcode: number;
}

function isSqlite(thrown: unknown): thrown is SqliteError {
  return typeof thrown === 'object' && thrown !== null && 'errcode' in thrown && typeof thrown.errcode === 'number';
}
