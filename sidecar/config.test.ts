import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatIssue, type Issue } from '../lib/issues.ts';
import { readSidecarConfig, type SidecarConfig } from './config.ts';

const least = ['--service', 'web', '--app', ':9000', '--mtls', 'off'];
const read = (argv: readonly string[], env = {}): SidecarConfig => {
  const config = readSidecarConfig(argv, env);
  if (config === 'help') throw new Error('asked for help');
  return config;
};
const problems = (argv: readonly string[], env = {}): string[] => {
  try {
    readSidecarConfig(argv, env);
  } catch (error) {
    return (error as { issues: readonly Issue[] }).issues.map(formatIssue);
  }
  throw new Error('nothing was wrong');
};

test('the least that a sidecar needs, and what it takes for the rest', () => {
  expect(read(least)).toMatchObject({
    service: 'web',
    namespace: 'default',
    serviceKey: 'default/web',
    instance: expect.stringMatching(/^web-[0-9a-f]{8}$/),
    app: { host: '127.0.0.1', port: 9000 },
    inbound: { host: '127.0.0.1', port: 15006 },
    outbound: { host: '127.0.0.1', port: 15001 },
    admin: { host: '127.0.0.1', port: 15000 },
    source: { from: 'nothing' },
    mtls: 'off',
    certificates: undefined,
    calls: [],
    weight: 1,
    appTimeoutMs: 60_000,
    maxRequestBody: Number.POSITIVE_INFINITY,
    concurrency: 1,
    upgrades: new Set(['websocket']),
    accessLog: 'errors',
    otlp: undefined,
  });
});

test('all settings by flags', () => {
  const argv = [
    ...['--service', 'web', '--namespace', 'shop', '--instance', 'web-1', '--app', 'unix:/tmp/app'],
    ...['--inbound', '[::1]:1', '--outbound', '/tmp/out', '--admin', ':0', '--control-plane', 'cp:7443'],
    ...['--token-file', '/t', '--state', '/s', '--calls', 'cart, pay/ledger', '--weight', '3', '--locality', 'eu/a'],
    ...[
      '--app-timeout',
      '0s',
      '--max-request-body',
      '10',
      '--upgrades',
      'websocket,Echo/2',
      '--drain-delay',
      '0s',
      '--drain-time',
      '1m',
    ],
    ...['--access-log', 'all', '--otlp', 'http://x', '--trace-sample', '0.5', '--log-level', 'debug'],
  ];
  expect(read(argv)).toMatchObject({
    serviceKey: 'shop/web',
    instance: 'web-1',
    app: { path: '/tmp/app' },
    inbound: { host: '::1', port: 1 },
    outbound: { path: '/tmp/out' },
    admin: { host: '127.0.0.1', port: 0 },
    source: { from: 'control-plane', tokenFile: '/t', token: undefined, state: '/s' },
    mtls: 'strict',
    calls: ['shop/cart', 'pay/ledger'],
    weight: 3,
    locality: 'eu/a',
    appTimeoutMs: Number.POSITIVE_INFINITY,
    maxRequestBody: 10,
    upgrades: new Set(['websocket', 'echo/2']),
    drainDelayMs: 0,
    drainTimeMs: 60_000,
    accessLog: 'all',
    otlp: 'http://x',
    traceSample: 0.5,
    logLevel: 'debug',
  });
});

test('flags win over the environment, and that over the settings file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  const settings = join(folder, 'settings.json');
  writeFileSync(settings, JSON.stringify({ service: 'file', namespace: 'file', weight: 7, 'access-log': 'all' }));
  const config = read(['--settings', settings, '--app', ':1', '--mtls', 'off', '--service', 'flag'], {
    WEFT_NAMESPACE: 'env',
    WEFT_SERVICE: 'env',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector',
  });
  rmSync(folder, { recursive: true });
  expect([config.service, config.namespace, config.weight, config.accessLog, config.otlp]).toEqual([
    'flag',
    'env',
    7,
    'all',
    'http://collector',
  ]);
});

test('every problem is told at once', () => {
  const argv = [
    '--service',
    'Web',
    '--inbound',
    'nowhere',
    '--weight',
    '-1',
    '--mtls',
    'maybe',
    '--calls',
    'a/b/c',
    '--servce',
  ];
  const found = problems([...argv, '--cert', 'c', '--control-plane', 'cp:1', '--config', 'f'], {
    WEFT_LOG_LEVEL: 'loud',
  });
  for (const one of [
    '--service',
    '--inbound',
    '--weight',
    '--mtls',
    '--calls',
    '--servce',
    '--cert',
    '--config',
    '--state',
    '--app',
    'WEFT_LOG_LEVEL',
  ])
    expect([one, found.some((line) => line.includes(one))]).toEqual([one, true]);
});

test('mutual TLS is the default, and needs something to prove', () => {
  expect(problems(['--service', 'web', '--app', ':1']).join()).toContain('strict needs a certificate');
  expect(problems(['--service', 'web', '--app', ':1', '--mtls', 'permissive']).join()).toContain('permissive needs');
  const files = ['--cert', 'c', '--key', 'k', '--ca', 'r'];
  expect(read(['--service', 'web', '--app', ':1', ...files])).toMatchObject({
    mtls: 'strict',
    certificates: { cert: 'c', key: 'k', ca: 'r' },
  });
  expect(problems(['--service', 'web', '--app', ':1', ...files.slice(0, 4)]).join()).toContain('all three or none');
});

test('--help is given whatever else is wrong', () => {
  expect(readSidecarConfig(['--help', '--nonsense'], {})).toBe('help');
});

test('a settings file that cannot be read is a problem of the user, told with its name', () => {
  expect(problems([...least, '--settings', '/nowhere/at-all.json']).join()).toContain('/nowhere/at-all.json');
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  const settings = join(folder, 'settings.json');
  writeFileSync(settings, '[1]');
  expect(problems([...least, '--settings', settings]).join()).toContain('not a JSON object');
  writeFileSync(settings, '{"servise": "x"}');
  expect(problems([...least, '--settings', settings]).join()).toContain('servise');
  rmSync(folder, { recursive: true });
});
