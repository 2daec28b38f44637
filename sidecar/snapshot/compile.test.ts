import { manualClock } from '../../lib/clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { loadFilters } from '../../policies/load.ts';
import { Chain } from '../http/chain.ts';
import { Compiler } from './compile.ts';
import { Destinations } from './destinations.ts';

test('a kind that only a newer control plane knows is refused, not passed over', async () => {
  const random = seededRandom(1);
  const destinations = new Destinations(() => {
    throw new Error('there are no endpoints here');
  });
  const compiler = new Compiler({
    filters: await loadFilters(),
    destinations,
    edge: () => ({ begin() {}, end() {} }),
    app: { name: 'app', chain: new Chain([]), backends: [], weight: 0, random },
    clock: manualClock(),
    random,
  });
  const key = { kind: 'FuturePolicy', namespace: 'default', name: 'guard' };
  const inputs = (resources: [string, { key: typeof key; version: string; spec: unknown }][]) => ({
    revision: 7,
    resources: new Map(resources),
    endpoints: new Map(),
    absent: new Set<string>(),
  });
  expect(await compiler.compile(inputs([]))).toMatchObject({ snapshot: { revision: 7 } });
  expect(await compiler.compile(inputs([['FuturePolicy default/guard', { key, version: 'v', spec: {} }]]))).toEqual({
    issues: [{ path: 'kind', message: 'FuturePolicy default/guard: this sidecar does not know the kind FuturePolicy' }],
  });
  destinations.close();
});
