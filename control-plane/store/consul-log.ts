import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import type { Answer, Read } from '../consul/client.ts';
import type { ConsulKv, KvEntry } from './consul-kv.ts';
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

/** Where the log ends. Every append compares and sets it, so it has one value after another. */
export interface Head {
  readonly revision: number;
  /** Names this one write: tells our revision 7 from somebody else's. */
  readonly uid: string;
  readonly index: number;
}

const headSchema = z.object({ format: z.number(), revision: z.number().int().nonnegative(), uid: z.string() });
/** A body stands in its entry, or, when it is long, in as many entries of their own. */
const bodySchema = z.union([
  z.object({ uid: z.string(), body: z.string() }),
  z.object({ uid: z.string(), parts: z.number().int().positive().max(1024) }),
]);

const pageSize = 100;
/** A transaction takes 512 KiB of base64 in all; smaller, so that a page of the log stays a fair answer. */
const inlineBytes = 64 * 1024;
/** Consul takes 512 KiB per value. */
const partBytes = 384 * 1024;

const digits = (n: number, width: number): string => String(n).padStart(width, '0');
const pageKey = (revision: number): string => `log/${digits(Math.floor(revision / pageSize), 10)}/`;
const logKey = (revision: number): string => `${pageKey(revision)}${digits(revision % pageSize, 2)}`;
const snapshotKey = (revision: number): string => `snapshots/${digits(revision, 12)}`;

/**
 * The log as keys of Consul: `head`, `log/<page>/<n>` (a page of revisions is one read), `snapshots/<revision>`, and
 * `parts/<uid>/<n>` for what is too long for one value. Throws ConsulError, and StoreError CORRUPT for what is not ours.
 */
export class ConsulLog {
  readonly #kv: ConsulKv;

  constructor(kv: ConsulKv) {
    this.#kv = kv;
  }

  /** Undefined when there is no log at all. Throws StoreError CORRUPT when it is of a newer Weft. */
  async head(read?: Read): Promise<Answer<Head | undefined>> {
    const { value, index } = await this.#kv.get('head', read);
    if (value === undefined) return { value, index };
    const head = parseEntry(headSchema, value);
    if (head.format !== format) {
      const forms = `(format ${head.format}; this one reads ${format})`;
      throw new StoreError('CORRUPT', `the store was written by a newer Weft ${forms}: run that Weft`);
    }
    return { value: { revision: head.revision, uid: head.uid, index: value.index }, index };
  }

  /** Makes the head of an empty log, unless somebody else does at the same time. */
  async create(): Promise<void> {
    await this.#kv.transact([{ verb: 'cas', key: 'head', value: encodeHead(0, ''), index: 0 }]);
  }

  /** Appends behind `head`; gives the new one, or undefined when the log had moved on. */
  async append(head: Head, uid: string, json: string): Promise<Head | undefined> {
    const revision = head.revision + 1;
    const value = await this.#writeBody(uid, json);
    const indexes = await this.#kv.transact([
      { verb: 'cas', key: 'head', value: encodeHead(revision, uid), index: head.index },
      { verb: 'cas', key: logKey(revision), value, index: 0 },
    ]);
    return indexes === undefined ? undefined : { revision, uid, index: indexes[0]! };
  }

  /** Removes what an append that was refused has left. */
  async forget(uid: string): Promise<void> {
    await this.#kv.deleteTree(`parts/${uid}/`);
  }

  /** Who wrote a revision; undefined when it is not there. */
  async uidOf(revision: number): Promise<string | undefined> {
    const { value } = await this.#kv.get(logKey(revision));
    return value === undefined ? undefined : parseEntry(bodySchema, value).uid;
  }

  /** Revisions `from` to `to`, both included, oldest first. All of them must be there. */
  async read(from: number, to: number): Promise<readonly Revision[]> {
    const revisions: Revision[] = [];
    while (from + revisions.length <= to) {
      const next = from + revisions.length;
      const entries = await this.#kv.list(pageKey(next));
      const wanted = entries.filter(({ key }) => key >= logKey(next) && key <= logKey(Math.min(to, lastOfPage(next))));
      for (const entry of wanted) {
        const revision = decodeRevision(await this.#readBody(entry), entry.key);
        const expected = from + revisions.length;
        if (revision.revision !== expected) {
          throw new StoreError('CORRUPT', `${entry.key} has revision ${revision.revision} where ${expected} should be`);
        }
        revisions.push(revision);
      }
      if (wanted.length === 0)
        throw new StoreError('CORRUPT', `the log has no revision ${next}, though it goes on after it`);
    }
    return revisions;
  }

  /** From the nearest snapshot before it. */
  async stateAt(revision: number): Promise<State> {
    const snapshots = await this.#kv.keys('snapshots/');
    const nearest = snapshots.findLast((key) => key <= snapshotKey(revision));
    const { value } = nearest === undefined ? { value: undefined } : await this.#kv.get(nearest);
    const start = value === undefined ? emptyState : decodeState(await this.#readBody(value), value.key);
    return replay(start, await this.read(start.revision + 1, revision));
  }

  /**
   * Writes a snapshot and removes old ones. The one before it stays, for whoever is reading it now. Two processes may
   * write the same one; both are right.
   */
  async snapshot(state: State, uid: string): Promise<void> {
    await this.#kv.set(snapshotKey(state.revision), await this.#writeBody(uid, encodeState(state)));
    const old = (await this.#kv.keys('snapshots/')).filter((key) => {
      const at = Number(key.slice('snapshots/'.length));
      return at < state.revision - snapshotEvery && at % snapshotKeep !== 0;
    });
    for (const key of old) {
      const { value } = await this.#kv.get(key);
      await this.#kv.deleteTree(key);
      if (value !== undefined) await this.forget(parseEntry(bodySchema, value).uid);
    }
  }

  async #writeBody(uid: string, body: string): Promise<Buffer> {
    const bytes = Buffer.from(body);
    if (bytes.length <= inlineBytes) return Buffer.from(JSON.stringify({ uid, body }));
    const parts = Math.ceil(bytes.length / partBytes);
    for (let n = 0; n < parts; n++) {
      await this.#kv.set(`parts/${uid}/${digits(n, 4)}`, bytes.subarray(n * partBytes, (n + 1) * partBytes));
    }
    return Buffer.from(JSON.stringify({ uid, parts }));
  }

  async #readBody(entry: KvEntry): Promise<string> {
    const content = parseEntry(bodySchema, entry);
    if ('body' in content) return content.body;
    const parts: Buffer[] = [];
    for (let n = 0; n < content.parts; n++) {
      const { value } = await this.#kv.get(`parts/${content.uid}/${digits(n, 4)}`);
      if (value === undefined) throw new StoreError('CORRUPT', `part ${n} of ${entry.key} is missing`);
      parts.push(value.value);
    }
    return Buffer.concat(parts).toString();
  }
}

const lastOfPage = (revision: number): number => (Math.floor(revision / pageSize) + 1) * pageSize - 1;
const encodeHead = (revision: number, uid: string): Buffer => Buffer.from(JSON.stringify({ format, revision, uid }));

function parseEntry<T>(schema: z.ZodType<T>, { key, value }: KvEntry): T {
  try {
    return schema.parse(JSON.parse(value.toString()));
  } catch (thrown) {
    const next = 'restore it, or give another prefix';
    throw new StoreError(
      'CORRUPT',
      `the key ${key} in Consul is not ours or damaged: ${messageOf(thrown)}; ${next}`,
      thrown,
    );
  }
}
