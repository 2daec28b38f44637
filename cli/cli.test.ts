import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runWeft, weftBin } from '../test/harness/weft.ts';
import { verbs } from './verbs.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const bad = `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ port: 99999 }]
---
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: web }
spec:
  targetRefs: [{ kind: Service, name: web }]
  request: 3s
  atempt: 1s
`;

// Nothing listens there: port 1 is reserved.
const nowhere = ['--server', 'http://127.0.0.1:1'];

describe('weft', () => {
  test('--help shows every command in its group, examples and exit codes', async () => {
    const { code, stdout } = await runWeft(['--help']);
    expect(code).toBe(0);
    for (const { name } of verbs) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(stdout).toMatch(/Run:.*Change:.*Look:.*More:.*Examples:.*Exit codes: 0 done/s);
  });

  test('every command explains itself', async () => {
    for (const { name } of verbs.filter(({ name }) => name !== 'control-plane')) {
      const { code, stdout } = await runWeft([name, '--help']);
      expect([name, code]).toEqual([name, 0]);
      expect(stdout.length).toBeGreaterThan(100);
    }
  });

  test('without a command it says what there is and exits with 2', async () => {
    const { code, stdout, stderr } = await runWeft([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: weft');
  });

  test('version prints one line, or JSON', async () => {
    expect(await runWeft(['version'])).toEqual({ code: 0, stdout: 'weft 0.1.0\n', stderr: '' });
    expect(JSON.parse((await runWeft(['version', '-o', 'json'])).stdout)).toMatchObject({ version: '0.1.0' });
  });

  test.each([
    [['aply'], 'Did you mean apply?'],
    [['apply', '--dryrun', 'x.yaml'], 'Did you mean --dry-run?'],
    [['get', 'servce'], "did you mean 'Service'?"],
    [['get', '-o', 'xml'], 'table, json, yaml, wide'],
    [['apply'], 'name the files to apply'],
    [['apply', '--wait', 'no-such.yaml'], 'no-such.yaml: no such file or folder'],
    [['delete'], 'name what to delete'],
    [['diff'], 'name files'],
    [['rollback', 'yesterday'], "'yesterday' is not the number of a revision"],
    [['token', 'create', 'web', '--ttl', '5 days'], 'is not a duration from 1s to 10m'],
    [['services', '--server', 'not a server'], 'is not an address such as http://127.0.0.1:7080'],
    [['services', '--token-file', '/no/such/token'], 'cannot read /no/such/token'],
    [['history', '--limit', '0'], 'a number from 1 to 500'],
    [['check', join(folder, '..', 'weft-no-such-folder')], 'no such file or folder'],
    [['--verbose', 'sidecar'], 'unknown option'],
  ])('%j is wrong usage: it exits with 2 and says what is right', async (args, message) => {
    const { code, stdout, stderr } = await runWeft(args);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test.each([
    ['get'],
    ['services'],
    ['proxies'],
    ['edges'],
    ['history'],
    ['token', 'create', 'web'],
    ['rollback', '1'],
  ])('%s exits with 3 when there is no control plane, and says what to do', async (...args) => {
    const { code, stdout, stderr } = await runWeft([...args, ...nowhere]);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(
      /^weft: cannot reach the control plane at http:\/\/127\.0\.0\.1:1: .*\nstart one with 'weft up'/,
    );
  });

  test('what answers but is not a control plane is told apart from nothing', async () => {
    const server = createServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { code, stderr } = await runWeft([
      'services',
      '--server',
      `127.0.0.1:${(server.address() as AddressInfo).port}`,
    ]);
    expect(code).toBe(3);
    expect(stderr).toContain('is not a Weft control plane: check --server');
    server.closeAllConnections();
    server.close();
  });

  test('doctor without a control plane says so and exits with 3', async () => {
    const { code, stdout } = await runWeft(['doctor', ...nowhere]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/✓ Node 26/);
    expect(stdout).toMatch(/✗ cannot reach the control plane/);
    expect(stdout).toMatch(/→ start/);
  });
});

describe('check', () => {
  test('names every problem by file, line and column, with what would be right', async () => {
    const path = file('bad.yaml', bad);
    const { code, stdout, stderr } = await runWeft(['check', path]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      [
        `${path}:5:19: spec.ports[0].port: must be a whole number from 1 to 65535, not 99999`,
        `${path}:13:3: spec.atempt: is not a field here; did you mean 'attempt'?`,
        '2 problems',
        '',
      ].join('\n'),
    );
  });

  test('-o json gives the problems to programs', async () => {
    const { code, stdout } = await runWeft(['check', '-o', 'json', file('bad.yaml', bad)]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      issues: [
        { line: 5, column: 19 },
        { line: 13, column: 3 },
      ],
    });
  });

  test('reads standard input, folders, and Workloads', async () => {
    const input = bad.replace('99999', '80').replace('atempt', 'attempt');
    expect(await runWeft(['check', '-'], { input })).toMatchObject({
      code: 0,
      stdout: '2 resources in 1 file, no problems\n',
    });
    const { code, stdout } = await runWeft(['check', 'examples/shop']);
    expect([code, stdout]).toEqual([0, '10 resources in 1 file, no problems\n']);
  });

  test('text that is not YAML at all has a line too', async () => {
    const path = file('broken.yaml', 'kind: Service\n  spec: [\n');
    const { code, stderr } = await runWeft(['check', path]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/broken\.yaml:1:7: is not valid YAML/);
  });

  test('a resource that stands twice is found over all files', async () => {
    const one = 'apiVersion: weft.dev/v1\nkind: Service\nmetadata:\n  name: twice\nspec: {}\n';
    const { code, stderr } = await runWeft(['check', file('one.yaml', one), file('two.yaml', one)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /two\.yaml:4:9: metadata\.name: Service default\/twice stands here twice; the first is in .*one\.yaml:4/,
    );
  });

  test('wrong Workloads are refused like every other kind', async () => {
    const text =
      'apiVersion: weft.dev/v1\nkind: Workload\nmetadata: { name: web }\nspec:\n  service: web\n  comand: [node]\n';
    const { code, stderr } = await runWeft(['check', file('workload.yaml', text)]);
    expect(code).toBe(1);
    expect(stderr).toContain(":6:3: spec.comand: is not a field here; did you mean 'command'?");
    expect(stderr).toContain('spec.command: is required');
  });
});

describe('up', () => {
  test('refuses Workloads of services that are not there, before anything runs', async () => {
    const text =
      'apiVersion: weft.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: {}\n---\napiVersion: weft.dev/v1\nkind: Workload\nmetadata: { name: web }\nspec:\n  service: wep\n  command: [node]\n';
    const { code, stderr } = await runWeft(['up', '-f', file('up.yaml', text)]);
    expect(code).toBe(1);
    expect(stderr).toContain("spec.service: no Service 'wep' is declared; did you mean 'web'?");
    expect(stderr).toContain('nothing was started');
  });

  test('says what a file without Workloads is for', async () => {
    const text = 'apiVersion: weft.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: {}\n';
    const { code, stderr } = await runWeft(['up', '-f', file('none.yaml', text)]);
    expect(code).toBe(1);
    expect(stderr).toContain("no Workload, so there is nothing to run; add one, or use 'weft apply'");
  });
});

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish'])('%s gets every command and option', async (shell) => {
    const { code, stdout } = await runWeft(['completion', shell]);
    expect(code).toBe(0);
    for (const { name } of verbs) expect(stdout).toContain(name);
    for (const option of ['dry-run', 'effective', 'server']) expect(stdout).toContain(option);
  });

  test('the script is valid for bash and completes commands and options', async () => {
    const script = file('weft.bash', (await runWeft(['completion', 'bash'])).stdout);
    expect(spawnSync('bash', ['-n', script]).status).toBe(0);
    const complete = (...words: string[]): string => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const run = `source ${script}; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _weft; echo "\${COMPREPLY[*]}"`;
      return spawnSync('bash', ['--norc', '-c', run], { encoding: 'utf8' }).stdout.trim();
    };
    expect(complete('weft', 'ro')).toBe('rollback');
    expect(complete('weft', 'apply', '--dr')).toBe('--dry-run');
    expect(complete('weft', 'token', 'c')).toBe('create');
    expect(complete('weft', 'completion', 'f')).toBe('fish');
  });
});

describe('bin/weft', () => {
  test('works from another folder and through symbolic links', async () => {
    const links = join(folder, 'links');
    mkdirSync(links);
    symlinkSync(weftBin, join(links, 'absolute'));
    symlinkSync('absolute', join(links, 'relative'));
    for (const name of ['absolute', 'relative']) {
      const ran = await runWeft(['version'], { program: join(links, name), cwd: folder });
      expect(ran).toEqual({ code: 0, stdout: 'weft 0.1.0\n', stderr: '' });
    }
  });

  test('an old node first on PATH does no harm', async () => {
    const olden = join(folder, 'olden');
    mkdirSync(olden);
    writeFileSync(join(olden, 'node'), '#!/bin/sh\necho old\n', { mode: 0o755 });
    const ran = await runWeft(['version'], { cwd: folder, env: { PATH: `${olden}:/usr/bin:/bin` } });
    expect(ran).toEqual({ code: 0, stdout: 'weft 0.1.0\n', stderr: '' });
  });

  test('says in one line what is missing when there is no Node that can run it', async () => {
    // A checkout without dependencies, on a machine whose only node is an old one.
    const checkout = join(folder, 'checkout');
    mkdirSync(join(checkout, 'bin'), { recursive: true });
    const program = join(checkout, 'bin', 'weft');
    spawnSync('cp', [weftBin, program]);
    const old = join(folder, 'old');
    mkdirSync(old);
    writeFileSync(join(old, 'node'), '#!/bin/sh\necho old\n', { mode: 0o755 });
    const env = { PATH: `${old}:/usr/bin:/bin`, WEFT_NODE: '' };
    const without = await runWeft(['version'], { program, cwd: checkout, env });
    expect(without.code).toBe(3);
    expect(without.stderr).toMatch(/^weft: the dependencies are not installed: run 'npm ci' in .*\n$/);
    mkdirSync(join(checkout, 'node_modules'));
    const wrong = await runWeft(['version'], { program, cwd: checkout, env });
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toMatch(/^weft: no Node 26\.10 or newer for this machine .*\n$/);
  });

  test('says which library a minimal system lacks', async () => {
    const broken = join(folder, 'broken-node');
    const words = 'error while loading shared libraries: libatomic.so.1: cannot open shared object file';
    writeFileSync(broken, `#!/bin/sh\necho '${words}' >&2\nexit 127\n`, { mode: 0o755 });
    const { code, stderr } = await runWeft(['version'], { env: { WEFT_NODE: broken } });
    expect(code).toBe(3);
    expect(stderr).toMatch(/^weft: .*libatomic1.*apt-get install libatomic1\n$/);
  });
});
