import { systemClock } from '../../lib/clock.ts';
import type { Issue } from '../../lib/issues.ts';
import type { Store } from '../store/store.ts';
import { admit, type ChangeRequest } from './admit.ts';
import { key, retries, route, service } from './examples.ts';
import { useStore } from './use-store.ts';

const at = useStore();
const { change } = at;

/** The problems of a change that is refused, as `index path: message`. */
async function refusal(resources: readonly unknown[], more: Partial<ChangeRequest> = {}): Promise<string[]> {
  const { revision } = at.store.current();
  const error = await change(resources, more).then(
    () => undefined,
    (thrown: { name: string; issues: readonly Issue[] }) => thrown,
  );
  expect(error?.name).toBe('InvalidInput');
  expect(at.store.current().revision).toBe(revision);
  return error!.issues.map(({ resource, path, message }) => `${resource ?? '-'} ${path}: ${message}`);
}

describe('a change', () => {
  test('becomes one revision with the fields that it created', async () => {
    const reply = await change([service('web'), service('cart'), retries('calm', 'cart')]);
    expect(reply.revision).toBe(1);
    expect(reply.changes.map(({ op, key: { kind, name } }) => `${op} ${kind} ${name}`)).toEqual([
      'create Service web',
      'create Service cart',
      'create RetryPolicy calm',
    ]);
    expect(at.store.current().resources.size).toBe(3);
  });

  test('that changes nothing appends nothing', async () => {
    await change([service('web'), retries('calm', 'web')]);
    expect(await change([retries('calm', 'web'), service('web')])).toEqual({ revision: 1, changes: [], dryRun: false });
    expect(at.store.current().revision).toBe(1);
  });

  test('names the fields that differ, as people write them', async () => {
    await change([service('web'), retries('calm', 'web', { retries: 2, backoff: { base: '50ms' } })]);
    const { changes } = await change([retries('calm', 'web', { retries: 2, backoff: { base: '1s', max: '2s' } })]);
    expect(changes).toEqual([
      {
        op: 'update',
        key: key('RetryPolicy', 'calm'),
        fields: [
          { path: 'spec.backoff.base', before: '50ms', after: '1s' },
          { path: 'spec.backoff.max', after: '2s' },
        ],
      },
    ]);
  });

  test('with dryRun says what it would do and does nothing', async () => {
    const reply = await change([service('web')], { dryRun: true });
    expect(reply).toMatchObject({ revision: 0, dryRun: true, changes: [{ op: 'create' }] });
    expect(at.store.current().revision).toBe(0);
  });

  test('can put and delete at once, and is judged by the state that it leads to', async () => {
    await change([service('web'), service('old'), route('to', 'web', 'old')]);
    const reply = await change([service('new'), route('to', 'web', 'new')], { delete: [key('Service', 'old')] });
    expect(reply.changes.map(({ op, key: { name } }) => `${op} ${name}`)).toEqual([
      'create new',
      'update to',
      'delete old',
    ]);
  });
});

describe('a change is refused as a whole', () => {
  const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  const spec = { ports: [{ port: 80 }] };
  test.each<[string, unknown, RegExp]>([
    ['null', null, /^0 : /],
    ['a text', 'kind: Service', /^0 : /],
    ['a list', [], /^0 : /],
    ['an empty object', {}, /^0 apiVersion: /],
    ['an unknown kind', { ...service('a'), kind: 'Servcie' }, /^0 kind: .*Service/],
    ['an unknown version', { ...service('a'), apiVersion: 'v9' }, /^0 apiVersion: .*weft\.dev\/v1/],
    ['no name', { ...service('a'), metadata: {} }, /^0 metadata\.name: /],
    ['a name with capitals', service('Web'), /^0 metadata\.name: /],
    ['a name that goes up', service('../../etc'), /^0 metadata\.name: /],
    ['a name with an escape', service('a\u001b[31m'), /^0 metadata\.name: (?!.*\u001b)/],
    ['a namespace that is none', service('a', 'x/y'), /^0 metadata\.namespace: /],
    ['an unknown field', { ...service('a'), extra: 1 }, /^0 extra: /],
    ['an unknown field of the spec', { ...service('a'), spec: { ...spec, prots: [] } }, /^0 spec\.prots: .*ports/],
    ['a port out of range', { ...service('a'), spec: { ports: [{ port: 0 }] } }, /^0 spec\.ports\[0\]\.port: /],
    ['too deep a spec', { ...service('a'), spec: deep(10_000) }, /^0 : is nested more than 64 levels/],
    ['too large a spec', { ...service('a'), spec: { x: 'y'.repeat(70_000) } }, /^0 spec: is 700\d\d bytes/],
    ['a spec that is a number', { ...service('a'), spec: 7 }, /^0 spec: /],
  ])('for %s', async (_, resource, wanted) => {
    const issues = await refusal([resource]);
    expect(issues.length).toBeGreaterThan(0);
    expect(issues.some((issue) => wanted.test(issue)) || issues).toBe(true);
  });

  test('with every problem of every resource at once', async () => {
    const issues = await refusal([
      service('web'),
      retries('calm', 'nowhere', { retries: 99, on: ['moon'] }),
      { ...service('Bad'), kind: 'Nothing' },
      route('to', 'web', 'missing'),
    ]);
    expect(issues.map((issue) => issue.split(':')[0])).toEqual([
      '1 spec.retries',
      '1 spec.on[0]',
      '2 metadata.name',
      '2 kind',
      '3 spec.rules[0].backendRefs[0]',
    ]);
  });

  test('when it has more resources than one change may have', async () => {
    expect(await refusal(Array.from({ length: 1001 }, () => service('a')))).toEqual([
      expect.stringContaining('- resources: has 1001 entries'),
    ]);
  });

  test('when it names a resource twice', async () => {
    expect(await refusal([service('a'), service('a')])).toEqual([
      expect.stringMatching(/^1 metadata\.name: .*resource 1/),
    ]);
    await change([service('a')]);
    expect(await refusal([service('a')], { delete: [key('Service', 'a')] })).toEqual([
      expect.stringMatching(/^- delete\[0\]: .*twice/),
    ]);
  });

  test('when it deletes what is not there', async () => {
    expect(await refusal([], { delete: [key('Service', 'a')] })).toEqual([
      '- delete[0]: Service default/a does not exist',
    ]);
  });

  test('when two policies would say different things of one target', async () => {
    await change([service('web'), retries('calm', 'web', { retries: 1 })]);
    expect(await refusal([retries('eager', 'web', { retries: 5 })])).toEqual([
      expect.stringMatching(/^0 spec\.retries: RetryPolicy default\/calm says otherwise for Service default\/web/),
    ]);
    await change([retries('more', 'web', { bufferBytes: 1000 })]);
  });
});

describe('references', () => {
  test('to a service that only the registry knows are good', async () => {
    expect(await refusal([retries('calm', 'web')])).toEqual([
      expect.stringMatching(/^0 spec\.targetRefs\[0\]: Service default\/web does not exist/),
    ]);
    at.registered.add('default/web');
    await change([retries('calm', 'web')]);
  });

  test('to a route need the route', async () => {
    const policy = {
      ...retries('calm', 'web'),
      spec: { targetRefs: [{ kind: 'HTTPRoute', name: 'to' }], retries: 1 },
    };
    await change([service('web')]);
    expect(await refusal([policy])).toEqual([
      expect.stringMatching(/targetRefs\[0\]: Route default\/to does not exist/),
    ]);
    await change([policy, route('to', 'web', 'web')]);
    expect(await refusal([], { delete: [key('HTTPRoute', 'to')] })).toEqual([
      '- delete[0]: HTTPRoute default/to is still used by RetryPolicy default/calm (spec.targetRefs[0])',
    ]);
  });

  test('to what is deleted are named, unless they go too or the registry still knows it', async () => {
    await change([service('web'), service('cart'), route('to', 'web', 'cart'), retries('calm', 'cart')]);
    const [issue, ...others] = await refusal([], { delete: [key('Service', 'cart')] });
    expect(others).toEqual([]);
    expect(issue).toContain('- delete[0]: Service default/cart is still used by ');
    expect(issue).toContain('HTTPRoute default/to (spec.rules[0].backendRefs[0])');
    expect(issue).toContain('RetryPolicy default/calm (spec.targetRefs[0])');
    at.registered.add('default/cart');
    await change([], { delete: [key('Service', 'cart')] });
    at.registered.clear();
    await change([], { delete: [key('HTTPRoute', 'to'), key('RetryPolicy', 'calm')] });
  });

  test('that others have lost do not block a change elsewhere', async () => {
    at.registered.add('default/gone');
    await change([retries('calm', 'gone')]);
    at.registered.clear();
    expect((await change([service('web')])).revision).toBe(2);
  });
});

describe('at the same time', () => {
  test('no change is lost, and each is a revision of its own', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
    const replies = await Promise.all(names.map((name) => change([service(name)])));
    expect(new Set(replies.map(({ revision }) => revision)).size).toBe(40);
    expect([...at.store.current().resources.keys()].sort()).toEqual(
      names.map((name) => `Service default/${name}`).sort(),
    );
  });

  test('a change that somebody overtook is decided again on what is there now', async () => {
    await change([service('web')]);
    const slow = overtaken(at.store, () => change([], { delete: [key('Service', 'web')] }));
    const error = await admit(
      slow,
      at.catalog,
      { resources: [retries('calm', 'web')], delete: [], message: '', author: '', dryRun: false },
      { knowsService: () => false, clock: systemClock },
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'InvalidInput' });
  });

  test('expectRevision refuses instead of deciding again', async () => {
    await change([service('web')]);
    await expect(change([service('cart')], { expectRevision: 0 })).rejects.toMatchObject({ code: 'CONFLICT' });
    const slow = overtaken(at.store, () => change([service('other')]));
    const request = { resources: [service('cart')], delete: [], message: '', author: '', dryRun: false };
    await expect(
      admit(slow, at.catalog, { ...request, expectRevision: 1 }, { knowsService: () => false, clock: systemClock }),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await change([service('cart')], { expectRevision: 2 })).revision).toBe(3);
  });

  /** The same store, whose first append is beaten by another change. */
  function overtaken(real: Store, first: () => Promise<unknown>): Store {
    let beaten = false;
    return {
      name: real.name,
      vault: real.vault,
      current: () => real.current(),
      healthy: () => real.healthy(),
      revisions: (from, to, limit) => real.revisions(from, to, limit),
      stateAt: (revision) => real.stateAt(revision),
      subscribe: (watcher) => real.subscribe(watcher),
      close: () => real.close(),
      async append(expected, next) {
        if (!beaten) await first();
        beaten = true;
        return real.append(expected, next);
      },
    };
  }
});
