import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { checkVaultValue } from './format.ts';
import type { Vault, VaultEntry } from './store.ts';

/** The vault as rows; each method is one statement, so it is atomic and durable by itself. */
export class EmbeddedVault implements Vault {
  readonly #run: <T>(work: () => T) => T;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #create: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;

  constructor(db: DatabaseSync, run: <T>(work: () => T) => T) {
    this.#run = run;
    this.#get = db.prepare('SELECT version, value FROM vault WHERE key = ?');
    this.#list = db.prepare('SELECT key FROM vault WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key');
    this.#create = db.prepare('INSERT INTO vault (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING');
    this.#delete = db.prepare('DELETE FROM vault WHERE key = ? AND version = ?');
    // REPLACE deletes the old row, so the new one gets the next version; it happens only where the SELECT finds that row.
    this.#update = db.prepare('REPLACE INTO vault (key, value) SELECT key, ? FROM vault WHERE key = ? AND version = ?');
  }

  async get(key: string): Promise<VaultEntry | undefined> {
    const row = this.#run(() => this.#get.get(key));
    return row === undefined ? undefined : { value: row.value as Uint8Array, version: Number(row.version) };
  }

  async list(prefix: string): Promise<readonly string[]> {
    return this.#run(() => this.#list.all(prefix)).map((row) => String(row.key));
  }

  async put(key: string, value: Uint8Array, version: number): Promise<boolean> {
    checkVaultValue(key, value);
    const done = this.#run(() =>
      version === 0 ? this.#create.run(key, value) : this.#update.run(value, key, version),
    );
    return done.changes === 1;
  }

  async delete(key: string, version: number): Promise<boolean> {
    return this.#run(() => this.#delete.run(key, version)).changes === 1;
  }
}
