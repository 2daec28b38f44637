import { systemClock } from '../../lib/clock.ts';
import { key, retries, service } from './examples.ts';
import { diffRevisions, history, rollback } from './history.ts';
import { useStore } from './use-store.ts';

const at = useStore();
const { change } = at;

beforeEach(async () => {
  await change([service('web')], { message: 'first' });
  await change([service('cart'), retries('calm', 'cart', { retries: 1 })], { author: 'ben' });
  await change([retries('calm', 'cart', { retries: 4 })]);
});

test('tells who changed what', async () => {
  const revisions = await history(at.store, 1, 3, 10);
  expect(revisions.map(({ revision, author, message }) => `${revision} ${author} ${message}`)).toEqual([
    '1 ann first',
    '2 ben ',
    '3 ann ',
  ]);
  expect(revisions[2]!.changes).toEqual([
    { op: 'update', key: key('RetryPolicy', 'calm'), fields: [{ path: 'spec.retries', before: 1, after: 4 }] },
  ]);
  expect(await history(at.store, 3, 3, 10)).toEqual([revisions[2]]);
});

test('diffs any two revisions, both ways, and the empty mesh', async () => {
  const ops = async (from: number, to: number) =>
    (await diffRevisions(at.store, from, to)).map(({ op, key: { name } }) => `${op} ${name}`);
  expect(await ops(1, 3)).toEqual(['create cart', 'create calm']);
  expect(await ops(3, 1)).toEqual(['delete cart', 'delete calm']);
  expect(await ops(0, 1)).toEqual(['create web']);
  expect(await ops(2, 2)).toEqual([]);
  await expect(diffRevisions(at.store, 1, 99)).rejects.toMatchObject({ name: 'RangeError' });
});

test('rolls back with a new revision that restores the state', async () => {
  const request = { message: '', author: 'ann', dryRun: false };
  const tried = await rollback(at.store, { ...request, to: 1, dryRun: true }, systemClock);
  expect(tried).toMatchObject({ revision: 3, dryRun: true });
  const reply = await rollback(at.store, { ...request, to: 1 }, systemClock);
  expect(reply.revision).toBe(4);
  expect(reply.changes).toEqual(tried.changes);
  expect(await diffRevisions(at.store, 1, 4)).toEqual([]);
  expect((await history(at.store, 4, 4, 1))[0]!.message).toBe('rollback to revision 1');
  expect(await rollback(at.store, { ...request, to: 4 }, systemClock)).toMatchObject({ revision: 4, changes: [] });
  await rollback(at.store, { ...request, to: 3 }, systemClock);
  expect(await diffRevisions(at.store, 3, 5)).toEqual([]);
  await expect(rollback(at.store, { ...request, to: 77 }, systemClock)).rejects.toMatchObject({ name: 'RangeError' });
  await expect(rollback(at.store, { ...request, to: 1, expectRevision: 2 }, systemClock)).rejects.toMatchObject({
    code: 'CONFLICT',
  });
});
