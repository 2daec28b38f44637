import { manualClock } from '../../lib/clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { loadFilters } from '../../policies/load.ts';
import { keyText } from '../../policies/resource.ts';
import { Chain } from '../http/chain.ts';
import { Compiler } from './compile.ts';
import { Destinations } from './destinations.ts';
import type { Inputs } from './inputs.ts';

const key = (kind: string, name: string) => ({ kind, namespace: 'default', name });
const inputs = (resources: readonly { key: ReturnType<typeof key>; spec: unknown }[]): Inputs => ({
  revision: 7,
  resources: new Map(resources.map((one) => [keyText(one.key), { ...one, version: 'v' }])),
  endpoints: new Map(),
  addresses: new Map(),
  absent: new Set<string>(),
});

async function makeCompiler(): Promise<Compiler> {
  const random = seededRandom(1);
  const destinations = new Destinations(
    () => {
      throw new Error('there are no endpoints here');
    },
    manualClock(),
    0,
  );
  return new Compiler({
    service: 'default/web',
    filters: await loadFilters(),
    destinations,
    edge: () => ({ begin() {}, end() {} }),
    app: { name: 'app', chain: new Chain([]), backends: [], weight: 0, random },
    clock: manualClock(),
    random,
  });
}

test('a kind that only a newer control plane knows is refused, not passed over', async () => {
  const compiler = await makeCompiler();
  expect(await compiler.compile(inputs([]))).toMatchObject({ snapshot: { revision: 7 } });
  expect(await compiler.compile(inputs([{ key: key('FuturePolicy', 'guard'), spec: {} }]))).toEqual({
    issues: [{ path: 'kind', message: 'FuturePolicy default/guard: this sidecar does not know the kind FuturePolicy' }],
  });
});

test.each([
  ['RetryPolicy', { targetRefs: [{ kind: 'Service', name: 'web' }], on: 5, methods: 5 }],
  ['HTTPRoute', { parentRefs: [{ name: 'web' }], hostnames: [], rules: 5 }],
])('a %s of another shape, which only the wire can bring, is refused with its name', async (kind, spec) => {
  const compiler = await makeCompiler();
  const service = { key: key('Service', 'web'), spec: { ports: [], endpoints: [] } };
  const compiled = await compiler.compile(inputs([service, { key: key(kind, 'odd'), spec }]));
  expect(compiled).toHaveProperty('issues');
  expect(JSON.stringify(compiled)).toContain(`${kind} default/odd: `);
});
