import { z } from 'zod';
import { type Answer, type ConsulClient, ConsulError, type Read } from '../consul/client.ts';

export interface KvEntry {
  /** Without the prefix. */
  readonly key: string;
  readonly value: Buffer;
  /** ModifyIndex: changes with each write. */
  readonly index: number;
}

/** One step of a transaction; `index` 0 means that the key must not exist yet. */
export type KvStep =
  | { readonly verb: 'cas'; readonly key: string; readonly value: Uint8Array; readonly index: number }
  | { readonly verb: 'check-index'; readonly key: string; readonly index: number }
  | { readonly verb: 'delete'; readonly key: string };

const entrySchema = z.object({
  Key: z.string(),
  ModifyIndex: z.number().int().positive(),
  Value: z.custom<Buffer>(Buffer.isBuffer).nullable(),
});
const resultsSchema = z.object({
  Results: z.array(z.object({ KV: z.object({ ModifyIndex: z.number() }) })).nullable(),
});
const errorsSchema = z.object({ Errors: z.array(z.object({ What: z.string() })).min(1) });
/** The words of Consul for a condition that did not hold. All else in `Errors`, such as a missing permission, is a failure. */
const conditionFailed = /index is stale|current modify index|key "[^"]*" doesn't exist/;

/** The keys below one prefix. All methods throw ConsulError. */
export class ConsulKv {
  readonly #client: ConsulClient;
  readonly #prefix: string;

  constructor(client: ConsulClient, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  async get(key: string, read: Read = { consistent: true }): Promise<Answer<KvEntry | undefined>> {
    const { value, index, status } = await this.#client.request(
      (consul, options) => consul.kv.get({ key: this.#prefix + key, ...options, ...{ buffer: true } }),
      read,
    );
    // Only this status says that the key is not there; the package gives undefined for other things too.
    return { value: status === 404 ? undefined : this.#entry(value), index };
  }

  /** All entries whose key begins with `prefix`, in order. */
  async list(prefix: string): Promise<readonly KvEntry[]> {
    const { value, status } = await this.#client.request(
      (consul, options) =>
        consul.kv.get({ key: this.#prefix + prefix, recurse: true, ...options, ...{ buffer: true } }),
      { consistent: true },
    );
    return status === 404 ? [] : parsed(z.array(z.unknown()), value).map((each) => this.#entry(each));
  }

  /** The keys that begin with `prefix`, in order. */
  async keys(prefix: string): Promise<readonly string[]> {
    try {
      const { value } = await this.#client.request(
        (consul, options) => consul.kv.keys({ key: this.#prefix + prefix, ...options }),
        { consistent: true },
      );
      return parsed(z.array(z.string()), value).map((key) => key.slice(this.#prefix.length));
    } catch (thrown) {
      if (thrown instanceof ConsulError && thrown.status === 404) return [];
      throw thrown;
    }
  }

  /** Writes whatever was there. Not more than 512 KiB. */
  async set(key: string, value: Buffer): Promise<void> {
    await this.#client.request((consul, options) => consul.kv.set({ key: this.#prefix + key, value, ...options }));
  }

  async deleteTree(prefix: string): Promise<void> {
    await this.#client.request((consul, options) =>
      consul.kv.del({ key: this.#prefix + prefix, recurse: true, ...options }),
    );
  }

  /** All steps or none. Gives the new index of each key, or undefined when a condition did not hold. */
  async transact(steps: readonly KvStep[]): Promise<readonly number[] | undefined> {
    const operations = steps.map(({ verb, key, ...more }) => ({
      KV: {
        Verb: verb,
        Key: this.#prefix + key,
        ...('value' in more ? { Value: Buffer.from(more.value).toString('base64') } : {}),
        ...('index' in more ? { Index: more.index } : {}),
      },
    }));
    try {
      const { value } = await this.#client.request((consul, options) =>
        // The types of the package describe operations in a form that Consul does not take.
        consul.transaction.create(operations as unknown as [], { operations: [], ...options }),
      );
      return (parsed(resultsSchema, value).Results ?? []).map(({ KV }) => KV.ModifyIndex);
    } catch (thrown) {
      if (!(thrown instanceof ConsulError) || thrown.status !== 409) throw thrown;
      const found = errorsSchema.safeParse(thrown.body);
      if (!found.success) throw thrown;
      const failure = found.data.Errors.find(({ What }) => !conditionFailed.test(What));
      if (failure === undefined) return undefined;
      throw new ConsulError('refused', `Consul at ${this.#client.address} refused to write: ${failure.What}`);
    }
  }

  #entry(value: unknown): KvEntry {
    const entry = parsed(entrySchema, value);
    return {
      key: entry.Key.slice(this.#prefix.length),
      value: entry.Value ?? Buffer.alloc(0),
      index: entry.ModifyIndex,
    };
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const what = `${issue?.path.join('.')}: ${issue?.message}`;
  throw new ConsulError('unknown', `what answers at the address of Consul does not answer like Consul: ${what}`);
}
