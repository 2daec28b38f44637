import type { ConsulKv, KvStep } from './consul-kv.ts';
import { checkVaultValue } from './format.ts';
import type { Vault, VaultEntry } from './store.ts';

/** Runs a call to Consul and throws StoreError for what goes wrong; `write` says whether it may have changed something. */
export type Guard = <T>(write: boolean, call: () => Promise<T>) => Promise<T>;

/** The vault as keys below `vault/`. Its reads are `consistent`: a key that was used up must look so at once. */
export class ConsulVault implements Vault {
  readonly #kv: ConsulKv;
  readonly #guard: Guard;

  constructor(kv: ConsulKv, guard: Guard) {
    this.#kv = kv;
    this.#guard = guard;
  }

  async get(key: string): Promise<VaultEntry | undefined> {
    const { value } = await this.#guard(false, () => this.#kv.get(path(key)));
    return value === undefined ? undefined : { value: value.value, version: value.index };
  }

  async list(prefix: string): Promise<readonly string[]> {
    const keys = await this.#guard(false, () => this.#kv.keys(path(prefix)));
    return keys.map((key) => key.slice(path('').length));
  }

  async put(key: string, value: Uint8Array, version: number): Promise<boolean> {
    checkVaultValue(key, value);
    return this.#transact([{ verb: 'cas', key: path(key), value, index: version }]);
  }

  async delete(key: string, version: number): Promise<boolean> {
    // Not `delete-cas`: that one also succeeds when the key is not there, so two callers would both have deleted it.
    return this.#transact([
      { verb: 'check-index', key: path(key), index: version },
      { verb: 'delete', key: path(key) },
    ]);
  }

  async #transact(steps: readonly KvStep[]): Promise<boolean> {
    return (await this.#guard(true, () => this.#kv.transact(steps))) !== undefined;
  }
}

const path = (key: string): string => `vault/${key}`;
