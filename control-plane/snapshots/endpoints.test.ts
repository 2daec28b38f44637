import { manualClock } from '../../lib/clock.ts';
import { key, testRegistry } from '../../test/harness/discovery-fixtures.ts';
import { EndpointTable, told } from './endpoints.ts';

const never = () => false;
const web = key('web');

function setUp() {
  const clock = manualClock();
  const registry = testRegistry();
  const table = new EndpointTable(registry, clock);
  const events: string[] = [];
  const watcher = { onEndpoints: (service: string) => void events.push(service) };
  table.watch(web, watcher);
  return { clock, registry, table, events, watcher };
}

test('the difference is what changed, and nothing when nothing did', () => {
  const { registry, table } = setUp();
  registry.add('web', 'a');
  registry.add('web', 'b');
  const first = table.resolve(web, undefined, never);
  expect(first.delta.added.map(({ id }) => id)).toEqual(['a', 'b']);
  registry.add('web', 'c');
  registry.add('web', 'a', 81);
  registry.remove(web, 'b');
  const second = table.resolve(web, first.view, never);
  expect(second.delta.added.map(({ id, port }) => [id, port])).toEqual([
    ['a', 81],
    ['c', 80],
  ]);
  expect(second.delta.removed).toEqual(['b']);
  expect(table.resolve(web, second.view, never)).toEqual({ view: second.view, delta: { added: [], removed: [] } });
});

test('neighbouring views share one difference; an older view gets its own', () => {
  const { registry, table } = setUp();
  registry.add('web', 'a');
  const first = table.view(web);
  registry.add('web', 'b');
  const second = table.view(web);
  registry.add('web', 'c');
  const shared = table.resolve(web, second, never).delta;
  expect(table.resolve(web, second, never).delta).toBe(shared);
  expect(table.resolve(web, first, never).delta.added.map(({ id }) => id)).toEqual(['b', 'c']);
});

test('a burst is told once, 10 ms after its last change and 200 ms after its first at the latest', () => {
  const { clock, registry, events } = setUp();
  for (let i = 0; i < 60; i++) {
    registry.add('web', `e${i}`);
    clock.advance(5);
  }
  expect(events).toEqual([web]); // 300 ms of changes 5 ms apart: once at 200 ms
  clock.advance(9);
  expect(events).toEqual([web, web]);
  clock.advance(1000);
  expect(events).toEqual([web, web]);
});

test('what a sidecar told is compared by version, and kept where the registry may just not know it yet', () => {
  const { registry, table } = setUp();
  registry.add('web', 'a');
  const version = table.view(web).byId.get('a')!.version;
  const byId = new Map([
    ['a', { version }],
    ['b', { version: 'x' }],
    ['c', { version: 'y' }],
  ]);
  const held = { generation: told, byId };
  const young = table.resolve(web, held, (id) => id === 'b');
  expect(young.delta).toEqual({ added: [], removed: ['c'] });
  expect([...young.view.byId.keys()]).toEqual(['a', 'b']);
  const settled = table.resolve(web, young.view, never);
  expect(settled.delta).toEqual({ added: [], removed: ['b'] });
  expect(table.resolve(web, settled.view, never).delta).toEqual({ added: [], removed: [] });
});

test('nothing is held of a service that nobody watches', () => {
  const { clock, registry, table, events, watcher } = setUp();
  registry.add('web', 'a');
  registry.add('other', 'a');
  table.view(key('other'));
  table.unwatch(web, watcher);
  registry.add('web', 'b');
  clock.advance(1000);
  expect(events).toEqual([]);
  expect(table.size).toBe(0);
  table.close();
});
