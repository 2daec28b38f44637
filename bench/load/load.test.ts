import { parseFortio } from './fortio.ts';
import { parseH2load } from './h2load.ts';
import { parseMs, tally } from './load.ts';
import { parseWrk } from './wrk.ts';

const wrkReport = `Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Latency Distribution
     50%  850.00us
     75%    1.20ms
     90%    1.90ms
     99%    1.05s ${''}
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

describe('the report of h2load', () => {
  const report = `finished in 1.01s, 125008.00 req/s, 8.94MB/s
requests: 125008 total, 125136 started, 125008 done, 125008 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 125008 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 8.94MB (9375848) total, 5.36MB (5625360) headers (space savings 6.25%), 1.43MB (1500096) data
                     min         max         mean         sd        +/- sd
time for request:       71us     21.51ms       747us      1.17ms    95.72%
`;

  test('is read in milliseconds', () => {
    expect(parseH2load(report)).toEqual({
      requests: 125008,
      requestsPerSecond: 125008,
      meanMs: 0.747,
      slowestMs: 21.51,
      failed: 0,
      problems: [],
    });
  });

  test('makes the run invalid when it names errors', () => {
    const bad = report
      .replace('125008 succeeded, 0 failed', '125000 succeeded, 8 failed')
      .replace('125008 2xx, 0 3xx, 0 4xx, 0 5xx', '125000 2xx, 0 3xx, 0 4xx, 8 5xx');
    const { failed, problems } = parseH2load(bad);
    expect(failed).toBe(8);
    expect(problems).toEqual(['125000 of 125008 requests succeeded; status codes: 125000 2xx, 0 3xx, 0 4xx, 8 5xx']);
  });

  test('is refused when it is none', () => {
    expect(() => parseH2load('could not connect')).toThrow('h2load did not report');
    expect(() => parseMs('soon')).toThrow('not a time');
  });
});

test('Problems are told once each, with how often they came', () => {
  expect(tally(['late', 'closed', 'late'])).toEqual(['2 times: late', '1 times: closed']);
  expect(tally([])).toEqual([]);
});
