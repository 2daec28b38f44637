import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { judge } from './budgets.ts';
import { allocationRate, parseCollection } from './heap.ts';
import type { Sample, Table } from './metrics.ts';
import { sidecarLaunch } from './peers/weft.ts';
import { cpuTime, forgetPeak, memory, parseSmapsRollup, parseStat, peakMib } from './proc.ts';
import { selfTimes } from './profile.ts';
import { renderTable, renderVerdicts } from './report.ts';
import { gist } from './rig.ts';
import { ratios, spread } from './stats.ts';

describe('statistics', () => {
  test('give the middle of an odd and of an even number of values', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1, 2, 3]).median).toBe(2.5);
    expect(() => spread([])).toThrow('no values');
  });

  test('compare round with round and leave out rounds that lack a value', () => {
    expect(ratios([2, 6, 9, undefined], [1, 2, undefined, 4])).toEqual([2, 3]);
  });
});

describe('what Linux says', () => {
  test('is read from a stat line whose command holds spaces and parentheses', () => {
    const stat = '42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 7 3 20 0 1 0 100 1000 10';
    expect(parseStat(stat)).toEqual({ userUs: 1_570_000, sysUs: 530_000 });
    expect(() => parseStat('nonsense')).toThrow('not a /proc/PID/stat line');
  });

  test('is read from smaps_rollup', () => {
    const text = '0-1 ---p 0 00:00 0 [rollup]\nRss:    2048 kB\nPss:  900 kB\nAnonymous:   512 kB\n';
    expect(parseSmapsRollup(text)).toEqual({ rssMib: 2, anonMib: 0.5 });
    expect(() => parseSmapsRollup('Rss: 1 kB\n')).toThrow('no Anonymous');
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux('holds for this very process', () => {
    expect(cpuTime([process.pid]).userUs).toBeGreaterThan(0);
    const { rssMib, anonMib } = memory([process.pid]);
    expect(anonMib).toBeGreaterThan(1);
    expect(rssMib).toBeGreaterThan(anonMib);
  });

  onLinux('forgets a peak of memory when it is told to', async () => {
    // A process that does nothing else meanwhile: it takes 64 MiB, gives them back, and stands still.
    const script =
      "let ballast = Buffer.alloc(2 ** 26, 1); ballast = undefined; gc(); console.log('small again'); process.stdin.resume();";
    const child = spawn(process.execPath, ['--expose-gc', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      const { rssMib } = memory([child.pid!]);
      expect(peakMib(child.pid!)).toBeGreaterThan(rssMib + 32);
      forgetPeak(child.pid!);
      expect(peakMib(child.pid!)).toBeLessThan(rssMib + 32);
    } finally {
      child.stdin.end();
      await ended;
    }
  });
});

describe('allocation', () => {
  test('is read from the lines of --trace-gc-nvp', () => {
    expect(parseCollection('[26233:0x169cb000:0]       33 ms: GC: {"pause":2.0,"allocated":5033984}')).toEqual({
      pid: 26233,
      isolate: '0x169cb000:0',
      atMs: 33,
      allocated: 5033984,
    });
    expect(parseCollection('[26233:0x169cb000:0]       35 ms: Memory pool: Removed pages: 0')).toBeUndefined();
    expect(parseCollection('listening')).toBeUndefined();
  });

  const at = (atMs: number, allocated: number, isolate = 'main', pid = 1) => ({ pid, isolate, atMs, allocated });

  test('counts from the first collection to the last', () => {
    expect(allocationRate([at(100, 9e9), at(200, 1000), at(300, 2000), at(400, 3000)], 1)).toBe(20_000);
    expect(allocationRate([at(100, 1), at(200, 1), at(300, 1)], 1)).toBeUndefined();
  });

  test('counts all threads of one process, and no other process', () => {
    const times = [100, 200, 300, 400];
    const all = [
      ...times.map((ms) => at(ms, 1000)),
      ...times.map((ms) => at(ms, 2000, 'worker')),
      ...times.map((ms) => at(ms, 7000, 'main', 2)),
      at(500, 9e9, 'hardly busy'),
    ];
    expect(allocationRate(all, 1)).toBe(30_000);
    expect(allocationRate(all, 2)).toBe(70_000);
    expect(allocationRate(all, 3)).toBeUndefined();
  });
});

describe('verdicts and tables', () => {
  const row = (contender: string, ...rounds: Sample[]) => ({ contender, rounds, problems: [] });
  const table: Table = {
    scenario: 'plain',
    title: 'One hop',
    columns: ['cpuUs', 'rate'],
    rows: [
      row('weft inbound', { cpuUs: 14, rate: 70_000 }, { cpuUs: 16, rate: 60_000 }),
      row('haproxy', { cpuUs: 10, rate: 90_000 }, { cpuUs: 10, rate: 90_000 }),
      { contender: 'envoy', rounds: [], problems: ['not measured: envoy not installed'] },
    ],
  };
  const budget = (versus: string, limit: number) => ({
    ...{ scenario: 'plain', contender: 'weft inbound', metric: 'cpuUs' as const },
    versus,
    limit,
  });

  test('say kept, missed or not measured, and never guess', () => {
    const given = [budget('haproxy', 1.5), budget('haproxy', 1.4), budget('envoy', 0.6)];
    expect(judge([table], given).map(({ verdict }) => verdict)).toEqual(['kept', 'missed', 'not measured']);
    expect(judge([], given)).toEqual([]);
    expect(renderVerdicts(judge([table], given))).toContain(
      '- MISSED       plain: weft inbound: CPU µs/req ≤ 1.4 × haproxy (is 1.50)\n',
    );
  });

  test('say missed when a line of Weft gave nothing though it was to be measured', () => {
    const broken = { ...table, rows: [row('weft inbound', {}, {}), table.rows[1]!] };
    expect(judge([broken], [budget('haproxy', 1.5)]).map(({ verdict }) => verdict)).toEqual(['missed']);
  });

  test('know what is better when it is more', () => {
    const rows = [row('weft', { down: 60 }, { down: 80 }), row('haproxy', { down: 100 }, { down: 100 })];
    const tcp: Table = { scenario: 'tcp', title: 'Octets', columns: ['down'], rows };
    const least = (limit: number) => ({
      ...{ scenario: 'tcp', contender: 'weft', metric: 'down' as const, versus: 'haproxy', limit },
      atLeast: true as const,
    });
    expect(judge([tcp], [least(0.7), least(0.71)]).map(({ verdict }) => verdict)).toEqual(['kept', 'missed']);
    expect(renderVerdicts(judge([tcp], [least(0.7)]))).toContain('weft: down MB/CPU s ≥ 0.7 × haproxy (is 0.70)');
  });

  test('show medians, ratios with their spread, and what went wrong', () => {
    expect(renderTable(table)).toBe(`### plain: One hop

|              | CPU µs/req | req/s |
|--------------|-----------:|------:|
| weft inbound |       15.0 | 65000 |
| haproxy      |       10.0 | 90000 |
| envoy        |          – |     – |

| CPU µs/req   |        ÷ haproxy |
|--------------|-----------------:|
| weft inbound | 1.50 (1.40–1.60) |
| haproxy      |                1 |

- envoy: not measured: envoy not installed
`);
  });

  test('compare by each of several costs', () => {
    const rows = [row('weft', { down: 70, up: 50 }), row('haproxy', { down: 100, up: 50 })];
    const text = renderTable({ scenario: 'tcp', title: 'Octets', columns: ['down', 'up'], rows });
    expect(text).toContain('| weft: down MB/CPU s    | 0.70 (0.70–0.70) |\n');
    expect(text).toContain('| weft: up MB/CPU s      | 1.00 (1.00–1.00) |\n');
  });
});

test('A profile is summed up by function, without the idle time', () => {
  const node = (functionName: string, hitCount: number, url = '') => ({
    callFrame: { functionName, url, lineNumber: 9 },
    hitCount,
  });
  const nodes = [node('(idle)', 500), node('parse', 30, 'file:///x/weft.js'), node('(program)', 60)];
  expect(selfTimes({ nodes: [...nodes, node('parse', 10, 'file:///x/weft.js')] })).toEqual([
    { where: '(program)', percent: 60 },
    { where: 'parse weft.js:10', percent: 40 },
  ]);
});

test('The gist of an output is its first error, or its last line', () => {
  expect(gist('loader:1\n  throw err;\n\nError: Cannot find module\n  at x\n')).toBe('Error: Cannot find module');
  expect(gist('main.js:1\nif(error)throw new TypeError;\n\nTypeError: no such thing\n  at x\n')).toBe(
    'TypeError: no such thing',
  );
  expect(gist('starting\nan error came\nended\n')).toBe('an error came');
  expect(gist('one\ntwo\n[7:0x1a:0] 33 ms: GC: {"error":0}\n')).toBe('two');
  expect(gist('')).toBe('');
});

test('The flags of the shipped launcher are the flags that are measured', () => {
  expect(sidecarLaunch('  sidecar) exec "$node" --a=1 --b "$main" "$@" ;;\n')).toEqual({
    env: {},
    flags: ['--a=1', '--b'],
  });
  expect(sidecarLaunch('  sidecar) exec env M=1 "$node" --a "$main" "$@" ;;\n')).toEqual({
    env: { M: '1' },
    flags: ['--a'],
  });
  expect(() => sidecarLaunch('#!/bin/sh')).toThrow('bin/weft has no line');
});
