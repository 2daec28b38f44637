import { judge } from './budgets.ts';
import { allocationRate, parseCollection } from './heap.ts';
import { parseFortio, parseWrk } from './load.ts';
import type { Sample, Table } from './metrics.ts';
import { sidecarLaunch } from './peers/weft.ts';
import { cpuTime, memory, parseSmapsRollup, parseStat } from './proc.ts';
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
});

const wrkReport = `Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Latency Distribution
     50%  850.00us
     75%    1.20ms
     90%    1.90ms
     99%    1.05s
  112345 requests in 2.00s, 18.6MB read
Requests/sec:  56172.50
Transfer/sec:      9.30MB
`;

describe('the report of wrk', () => {
  test('is read, latencies in whatever unit', () => {
    expect(parseWrk(wrkReport)).toEqual({
      requests: 112345,
      requestsPerSecond: 56172.5,
      p50Ms: 0.85,
      p99Ms: 1050,
      problems: [],
    });
  });

  test('makes the run invalid when it names errors', () => {
    const bad = wrkReport.replace(
      'Requests/sec',
      '  Socket errors: connect 0, read 3, write 0, timeout 0\n  Non-2xx or 3xx responses: 7\nRequests/sec',
    );
    expect(parseWrk(bad).problems).toEqual([
      'Socket errors: connect 0, read 3, write 0, timeout 0',
      'Non-2xx or 3xx responses: 7',
    ]);
  });

  test('is refused when it is none', () => {
    expect(() => parseWrk('unable to connect')).toThrow('wrk did not report');
  });
});

describe('the report of fortio', () => {
  const report = {
    ActualQPS: 999.9,
    RetCodes: { 200: 5000 },
    DurationHistogram: {
      Count: 5000,
      Percentiles: [
        { Percentile: 50, Value: 0.0004 },
        { Percentile: 99, Value: 0.002 },
      ],
    },
  };

  test('is read in milliseconds', () => {
    expect(parseFortio(JSON.stringify(report), 1000)).toEqual({
      requests: 5000,
      requestsPerSecond: 999.9,
      p50Ms: 0.4,
      p99Ms: 2,
      problems: [],
    });
  });

  test('makes the run invalid when answers failed or the rate was not kept', () => {
    const bad = { ...report, ActualQPS: 700, RetCodes: { 200: 3000, 503: 2, '-1': 1 } };
    expect(parseFortio(JSON.stringify(bad), 1000).problems.toSorted()).toEqual([
      '1 answers with status -1',
      '2 answers with status 503',
      '700/s, not 1000/s',
    ]);
  });
});

describe('allocation', () => {
  test('is read from the lines of --trace-gc-nvp', () => {
    expect(parseCollection('[26233:0x169cb000:0]       33 ms: GC: {"pause":2.0,"allocated":5033984}')).toEqual({
      atMs: 33,
      allocated: 5033984,
    });
    expect(parseCollection('[26233:0x169cb000:0]       35 ms: Memory pool: Removed pages: 0')).toBeUndefined();
    expect(parseCollection('listening')).toBeUndefined();
  });

  test('counts from the first collection to the last', () => {
    const at = (atMs: number, allocated: number) => ({ atMs, allocated });
    expect(allocationRate([at(100, 9e9), at(200, 1000), at(300, 2000), at(400, 3000)])).toBe(20_000);
    expect(allocationRate([at(100, 1), at(200, 1), at(300, 1)])).toBeUndefined();
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
    expect(renderVerdicts(judge([table], given))).toContain('MISSED plain: weft inbound: CPU µs/req ≤ 1.4 × haproxy');
  });

  test('show medians, ratios with their spread, and what went wrong', () => {
    const lines = renderTable(table).split('\n');
    expect(lines[4]).toBe('| weft inbound |       15.0 | 65000 | 1.50 (1.40–1.60) |');
    expect(lines[6]).toBe('| envoy        |          – |     – |                – |');
    expect(lines.at(-1)).toBe('- envoy: not measured: envoy not installed');
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
  expect(gist('one\ntwo\n')).toBe('two');
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
