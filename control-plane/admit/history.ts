import type { Clock } from '../../lib/clock.ts';
import type { ApiRevision, ApplyReply, Change } from '../../proto/api/api.ts';
import type { State, Store } from '../store/store.ts';
import { appendAfter, refuseIfMoved } from './admit.ts';
import { describeChanges, mutate, mutationsBetween } from './changes.ts';

/** Before the first revision. */
const empty: State = { revision: 0, resources: new Map() };

/** The state after a revision; 0 is the empty mesh. Throws RangeError when there is no such revision. */
const stateAfter = async (store: Store, revision: number): Promise<State> =>
  revision === 0 ? empty : store.stateAt(revision);

/** Revisions `from` to `to`, both included, oldest first, each with what it changed. */
export async function history(store: Store, from: number, to: number, limit: number): Promise<ApiRevision[]> {
  const revisions = await store.revisions(from, to, limit);
  const first = revisions[0];
  if (first === undefined) return [];
  let { resources } = await stateAfter(store, first.revision - 1);
  return revisions.map(({ revision, at, author, message, mutations }) => {
    const changes = describeChanges(resources, mutations);
    resources = mutate(resources, mutations);
    return { revision, at: new Date(at).toISOString(), author, message, changes };
  });
}

/** What is different at `to` from how it was at `from`. Throws RangeError when either does not exist. */
export async function diffRevisions(store: Store, from: number, to: number): Promise<Change[]> {
  const before = await stateAfter(store, from);
  const after = await stateAfter(store, to);
  return describeChanges(before.resources, mutationsBetween(before.resources, after.resources));
}

/** How to go back. */
export interface RollbackRequest {
  readonly to: number;
  readonly message: string;
  readonly author: string;
  readonly dryRun: boolean;
  readonly expectRevision?: number | undefined;
}

/**
 * Appends a revision that restores the state of revision `to`, so that history is never rewritten. That state was
 * admitted once as a whole and is restored as a whole, so it is not judged again: when something is wrong, the way back
 * must be open. Throws RangeError when there is no such revision, StoreError as `admit` does.
 */
export async function rollback(store: Store, request: RollbackRequest, clock: Clock): Promise<ApplyReply> {
  const target = await stateAfter(store, request.to);
  for (let attempt = 1; ; attempt++) {
    const state = store.current();
    refuseIfMoved(request.expectRevision, state.revision);
    const mutations = mutationsBetween(state.resources, target.resources);
    const changes = describeChanges(state.resources, mutations);
    if (request.dryRun || mutations.length === 0) return { revision: state.revision, changes, dryRun: request.dryRun };
    const message = request.message || `rollback to revision ${request.to}`;
    const again = request.expectRevision === undefined && attempt < 100;
    const revision = await appendAfter(
      store,
      state.revision,
      { author: request.author, message, mutations },
      { again, clock },
    );
    if (revision !== undefined) return { revision, changes, dryRun: false };
  }
}
