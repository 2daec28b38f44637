import { plainCells } from './cells.ts';
import { maxPeers } from './edge-stats.ts';
import { newRecord } from './record.ts';
import { TcpTable } from './tcp-stats.ts';

test('peers beyond the bound are counted together, and one that is known stays by itself', () => {
  const logged: string[] = [];
  const table = new TcpTable((edge) => logged.push(edge.peer), plainCells);
  for (let i = 0; i < maxPeers + 50; i++) table.edge('inbound', `default/s${i}`).opened();
  expect([...table.all()]).toHaveLength(maxPeers + 1);
  expect(table.edge('inbound', 'default/another')).toBe(table.edge('inbound', `default/s${maxPeers}`));
  expect(table.edge('inbound', 'default/another').open).toBe(50);
  const first = table.edge('inbound', 'default/s0');
  first.toService(3);
  first.toCaller(4);
  first.closed({ ...newRecord(), code: 'STREAM_IDLE' });
  expect([first.open, first.openedTotal, first.toServiceBytes, first.toCallerBytes]).toEqual([0, 1, 3, 4]);
  const ends: [string, number][] = [];
  first.eachEnd((code, count) => ends.push([code, count]));
  expect(ends).toEqual([['STREAM_IDLE', 1]]);
  expect(logged).toEqual(['default/s0']);
});
