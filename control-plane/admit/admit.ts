import type { Clock } from '../../lib/clock.ts';
import { InvalidInput, Issues } from '../../lib/issues.ts';
import { keyOf, keyText, type ResourceKey } from '../../policies/resource.ts';
import type { ApplyReply } from '../../proto/api/api.ts';
import { type Mutation, type NewRevision, type Store, StoreError } from '../store/store.ts';
import type { Catalog } from './catalog.ts';
import { describeChanges, effectiveMutations, mutate } from './changes.ts';
import { maxResources, type Read, readResources } from './read.ts';
import { checkConflicts, checkReferences } from './references.ts';

/** A change that somebody wants: resources as they were written, and keys of those that shall go. */
export interface ChangeRequest {
  readonly resources: readonly unknown[];
  readonly delete: readonly ResourceKey[];
  readonly message: string;
  readonly author: string;
  readonly dryRun: boolean;
  /** Refuse unless the log still ends here. */
  readonly expectRevision?: number | undefined;
}

export interface AdmitOptions {
  /** Whether the registry knows a service, as `namespace/name`. */
  readonly knowsService: (service: string) => boolean;
  readonly clock: Clock;
}

/**
 * The life of a change, from what somebody wrote to a revision of the log. All or nothing.
 * Throws InvalidInput with every problem, or StoreError (CONFLICT only when `expectRevision` was given, or when others
 * kept appending first).
 */
export async function admit(
  store: Store,
  catalog: Catalog,
  request: ChangeRequest,
  options: AdmitOptions,
): Promise<ApplyReply> {
  // 1. Parse each resource by itself: envelope, kind, schema, the kind's own checks.
  const parsed = readResources(request.resources, catalog);
  for (let attempt = 1; ; attempt++) {
    const state = store.current();
    refuseIfMoved(request.expectRevision, state.revision);

    // 2. Check the change as a whole over the state that it would lead to, and say all that is wrong at once.
    const issues = new Issues();
    issues.list.push(...parsed.issues);
    const mutations = mutationsOf(parsed.read, request.delete, issues);
    for (const [at, key] of request.delete.entries())
      if (!state.resources.has(keyText(key))) issues.add(`delete[${at}]`, `${keyText(key)} does not exist`);
    const after = mutate(state.resources, mutations);
    checkReferences({ read: parsed.read, deleted: request.delete }, { catalog, after, ...options }, issues);
    checkConflicts(parsed.read, { catalog, after }, issues);
    if (!issues.ok) throw new InvalidInput(issues.list);

    // 3. Keep what makes a difference. Nothing does: no revision.
    const effective = effectiveMutations(state.resources, mutations);
    const changes = describeChanges(state.resources, effective);
    if (request.dryRun || effective.length === 0) return { revision: state.revision, changes, dryRun: request.dryRun };

    // 4. Append it. Whoever was faster may have changed what step 2 relied on, so all of it is decided again.
    const next = { author: request.author, message: request.message, mutations: effective };
    const revision = await appendAfter(store, state.revision, next, {
      again: request.expectRevision === undefined && attempt < maxAttempts,
      clock: options.clock,
    });
    if (revision !== undefined) return { revision, changes, dryRun: false };
  }
}

/** Somebody else's append is behind every conflict, so this many in a row means a log that others fill without pause. */
const maxAttempts = 100;

export function refuseIfMoved(expected: number | undefined, actual: number): void {
  if (expected !== undefined && expected !== actual)
    throw new StoreError(
      'CONFLICT',
      `the log ends with revision ${actual}, not ${expected}: look at what changed first`,
    );
}

/** The revision that was appended; undefined when somebody was faster and the caller may decide again. */
export async function appendAfter(
  store: Store,
  expected: number,
  next: NewRevision,
  { again, clock }: { readonly again: boolean; readonly clock: Clock },
): Promise<number | undefined> {
  try {
    return (await store.append(expected, next)).revision;
  } catch (error) {
    if (!again || (error as { code?: unknown }).code !== 'CONFLICT') throw error;
    await newsAfter(store, expected, clock);
    return undefined;
  }
}

/** Resolves once this process has seen a later revision: deciding again on the old state would conflict again. */
function newsAfter(store: Store, revision: number, clock: Clock): Promise<void> {
  if (store.current().revision > revision) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      unsubscribe();
      cancel();
      resolve();
    };
    const unsubscribe = store.subscribe(done);
    const cancel = clock.after(1000, done);
  });
}

/** The request as mutations. A resource that is named twice is a problem: which of the two was meant? */
function mutationsOf(read: readonly Read[], deleted: readonly ResourceKey[], issues: Issues): Mutation[] {
  const seen = new Map<string, string>();
  const isNew = (key: ResourceKey, place: string, resource?: number): boolean => {
    const first = seen.get(keyText(key));
    if (first !== undefined)
      issues.add(
        place,
        `${keyText(key)} is in this change twice, first as ${first}`,
        resource === undefined ? {} : { resource },
      );
    else seen.set(keyText(key), resource === undefined ? place : `resource ${resource + 1}`);
    return first === undefined;
  };
  if (deleted.length > maxResources) issues.add('delete', `has more than ${maxResources} entries`);
  return [
    ...read
      .filter(({ resource, index }) => isNew(keyOf(resource), 'metadata.name', index))
      .map(({ resource }) => ({ op: 'put', resource }) as const),
    ...deleted.filter((key, at) => isNew(key, `delete[${at}]`)).map((key) => ({ op: 'delete', key }) as const),
  ];
}
