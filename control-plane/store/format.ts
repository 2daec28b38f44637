import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import { keyOf, keyText, type Resource } from '../../policies/resource.ts';
import { type Revision, type State, StoreError } from './store.ts';

/**
 * How revisions and states are written in both stores: JSON, version `format`. A change that an older Weft cannot read
 * raises it.
 */
export const format = 1;

/** A revision larger than this (bytes of JSON) is refused: it would stall every control plane that reads it. */
const maxBytes = 16 * 1024 * 1024;
/** A vault entry larger than this is refused: the vault is for keys and tokens. */
const maxVaultBytes = 128 * 1024;
/** A snapshot is written each so many revisions, so opening replays fewer than that. */
export const snapshotEvery = 100;
/** Of old snapshots each so many revisions one stays, so `stateAt` replays fewer than that. */
export const snapshotKeep = 1000;

const text = z.string();
const keySchema = z.object({ kind: text, namespace: text, name: text });
const resourceSchema = z.object({
  apiVersion: text,
  kind: text,
  metadata: z.object({ name: text, namespace: text, labels: z.record(text, text).exactOptional() }),
  spec: z.unknown(),
});
const count = z.number().int().nonnegative();
const revisionSchema = z.object({
  revision: count,
  at: z.number(),
  author: text,
  message: text,
  mutations: z.array(
    z.discriminatedUnion('op', [
      z.object({ op: z.literal('put'), resource: resourceSchema }),
      z.object({ op: z.literal('delete'), key: keySchema }),
    ]),
  ),
});
const stateSchema = z.object({ revision: count, resources: z.array(resourceSchema) });

export const emptyState: State = { revision: 0, resources: new Map() };

/** Throws StoreError TOO_LARGE. */
export function encodeRevision(revision: Revision): string {
  const json = JSON.stringify(revision);
  const bytes = Buffer.byteLength(json);
  if (bytes <= maxBytes) return json;
  const most = `${maxBytes} is the most: apply it in parts`;
  throw new StoreError('TOO_LARGE', `revision ${revision.revision} has ${bytes} bytes of JSON; ${most}`);
}

export function encodeState({ revision, resources }: State): string {
  return JSON.stringify({ revision, resources: [...resources.values()] });
}

/** Throws StoreError CORRUPT; `where` says in its message what was read. */
export function decodeRevision(json: string, where: string): Revision {
  return decode(revisionSchema, json, where);
}

/** Throws StoreError CORRUPT; `where` says in its message what was read. */
export function decodeState(json: string, where: string): State {
  const { revision, resources } = decode(stateSchema, json, where);
  return { revision, resources: new Map(resources.map((resource) => [textOf(resource), resource])) };
}

/** The state after these revisions, which must follow it without gaps; StoreError CORRUPT when they do not. */
export function replay(state: State, revisions: readonly Revision[]): State {
  if (revisions.length === 0) return state;
  const resources = new Map(state.resources);
  let at = state.revision;
  for (const { revision, mutations } of revisions) {
    if (revision !== at + 1) {
      throw new StoreError('CORRUPT', `the log has revision ${revision} after ${at}: revisions in between are missing`);
    }
    at = revision;
    for (const mutation of mutations) {
      if (mutation.op === 'put') resources.set(textOf(mutation.resource), mutation.resource);
      else resources.delete(keyText(mutation.key));
    }
  }
  return { revision: at, resources };
}

/** Throws StoreError TOO_LARGE. */
export function checkVaultValue(key: string, value: Uint8Array): void {
  if (value.length <= maxVaultBytes) return;
  throw new StoreError(
    'TOO_LARGE',
    `the value of ${key} has ${value.length} bytes; the vault takes ${maxVaultBytes} at most`,
  );
}

/** Throws RangeError for a revision that is not in a log that ends at `last`. */
export function checkRevision(revision: number, last: number): void {
  if (Number.isInteger(revision) && revision >= 0 && revision <= last) return;
  throw new RangeError(`there is no revision ${revision}; the log ends at ${last}`);
}

const textOf = (resource: Resource): string => keyText(keyOf(resource));

function decode<T>(schema: z.ZodType<T>, json: string, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (thrown) {
    throw new StoreError('CORRUPT', `${where} is not JSON: ${messageOf(thrown)}`, thrown);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new StoreError('CORRUPT', `${where} is not in our format: ${issue?.path.join('.')}: ${issue?.message}`);
}
