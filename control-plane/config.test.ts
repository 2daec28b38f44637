import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatIssue, type InvalidInput } from '../lib/issues.ts';
import { type ControlPlaneConfig, readControlPlaneConfig } from './config.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weft-config-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const file = (name: string, content: string): string => {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
};
const read = async (argv: readonly string[], env: Record<string, string> = {}): Promise<ControlPlaneConfig> => {
  const config = await readControlPlaneConfig(argv, env);
  if (config === 'help') throw new Error('help was asked for');
  return config;
};
const problems = async (argv: readonly string[], env: Record<string, string> = {}): Promise<string[]> => {
  try {
    await read(argv, env);
  } catch (error) {
    return (error as InvalidInput).issues.map(formatIssue);
  }
  return [];
};

test('without any setting it is a control plane for this machine', async () => {
  expect(await read([], { HOME: '/Users/ann' })).toEqual({
    api: { host: '127.0.0.1', port: 7080 },
    grpc: { host: '127.0.0.1', port: 7443 },
    stateDir: '/Users/ann/.local/state/weft',
    store: { kind: 'embedded' },
    caKeyFile: undefined,
    trustDomain: 'mesh.local',
    apiToken: undefined,
    names: [],
    otlp: undefined,
    jaegerUi: undefined,
    logLevel: 'info',
  });
  expect((await read([], { XDG_STATE_HOME: '/state' })).stateDir).toBe('/state/weft');
  expect((await read([])).stateDir).toBe('.weft');
  expect(await readControlPlaneConfig(['--help'], {})).toBe('help');
});

test('flags go before the environment, and that before the file', async () => {
  const config = file(
    'weft.yaml',
    'api: 127.0.0.1:1\ngrpc: 127.0.0.1:1\nstate: /from/file\nname: a.example, 10.0.0.1\n',
  );
  const { api, grpc, stateDir, names } = await read(['--config', config, '--api', ':3'], {
    WEFT_API: ':2',
    WEFT_GRPC: ':2',
  });
  expect([api, grpc]).toMatchObject([{ port: 3 }, { port: 2 }]);
  expect(stateDir).toBe('/from/file');
  expect(names).toEqual(['a.example', '10.0.0.1']);
});

test('Consul, tracing and Jaeger', async () => {
  const token = file('consul.token', 'c0ffee\n');
  const flags = ['--store', 'consul', '--consul-address', 'consul:8500', '--consul-token-file', token];
  expect((await read(flags)).store).toEqual({
    kind: 'consul',
    address: 'consul:8500',
    token: 'c0ffee',
    tokenFile: token,
  });
  expect((await read(['--store', 'consul'])).store).toEqual({ kind: 'consul', address: '127.0.0.1:8500' });
  expect((await read(['--jaeger-ui', 'http://127.0.0.1:16686/jaeger'])).jaegerUi?.pathname).toBe('/jaeger');
  expect((await read([], { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317' })).otlp).toBe('http://collector:4317');
});

describe('an API that others can reach', () => {
  test('needs a token', async () => {
    expect(await problems(['--api', '0.0.0.0:7080'])).toEqual([expect.stringMatching(/^--api: .*--api-token-file/)]);
    expect(await problems(['--api', '[::]:7080'])).toHaveLength(1);
    expect(await problems(['--api', 'unix:/run/weft.sock'])).toEqual([]);
  });

  test('takes it from a file or the environment', async () => {
    const good = file('good', 'a-token-of-some-length\n');
    expect((await read(['--api', '0.0.0.0:1', '--api-token-file', good])).apiToken).toBe('a-token-of-some-length');
    expect((await read(['--api', '0.0.0.0:1'], { WEFT_API_TOKEN: 'another-token-as-long' })).apiToken).toBe(
      'another-token-as-long',
    );
  });

  test.each([
    ['short', 'at least 16'],
    ['two words of some length', 'at least 16'],
    ['', 'at least 16'],
  ])('refuses the token %p', async (token, wanted) => {
    expect(await problems(['--api', '0.0.0.0:1', '--api-token-file', file('token', token)])).toEqual([
      expect.stringContaining(wanted),
    ]);
  });
});

test('every problem is told at once', async () => {
  expect(
    (
      await problems(
        [
          '--apii',
          'x',
          '--store',
          'redis',
          '--trust-domain',
          'A B',
          '--name',
          'ok.example,-bad',
          '--jaeger-ui',
          'ftp://x',
        ],
        { WEFT_GRPC: 'nowhere', WEFT_API_TOKEN: 'x' },
      )
    ).map((problem) => problem.split(' ')[0]),
  ).toEqual([
    '--apii:',
    'x:',
    'WEFT_GRPC:',
    '--store:',
    '--trust-domain:',
    '--name:',
    '--jaeger-ui:',
    'WEFT_API_TOKEN:',
  ]);
  expect(await problems(['--api-token-file', '/none', '--consul-token-file', dir, '--config', '/none'])).toEqual([
    expect.stringMatching(/^--config: cannot be read: .*ENOENT/),
  ]);
  expect(await problems(['--api-token-file', '/none', '--consul-token-file', dir])).toEqual([
    expect.stringMatching(/^--consul-token-file: cannot be read: .*EISDIR/),
    expect.stringMatching(/^--api-token-file: cannot be read: .*ENOENT/),
  ]);
});

test('problems of the file have their line', async () => {
  const bad = file('bad.yaml', '# settings\napi: nowhere\n\nlog-level: loud\nstroe: consul\n');
  expect((await problems(['--config', bad])).map((problem) => problem.replace(bad, 'F'))).toEqual([
    expect.stringMatching(/^F:5:1: stroe: is not known/),
    expect.stringMatching(/^F:2:1: api: 'nowhere' is not /),
    expect.stringMatching(/^F:4:1: log-level: 'loud' is not one of/),
  ]);
  for (const content of ['- a\n', 'just words', 'a: 1\n---\nb: 2\n', 'a: [1\n', 'a: 1\na: 2\n'])
    expect((await problems(['--config', file('x.yaml', content)])).length).toBeGreaterThan(0);
  expect((await read(['--config', file('empty.yaml', '')])).logLevel).toBe('info');
});
