/** What the pages say is done here, as a reader would: one shop, one temporary folder, every command in its order. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { makeProgram } from '../cli/program.ts';
import { startOptions } from '../cli/start/options.ts';
import { workloadSchema } from '../cli/up/workload.ts';
import { controlPlaneOptions } from '../control-plane/config.ts';
import { errors } from '../lib/errors.ts';
import { formatIssue } from '../lib/issues.ts';
import { parseDocuments } from '../policies/documents.ts';
import { loadSchemas } from '../policies/load.ts';
import { sidecarOptions } from '../sidecar/config.ts';
import { type Block, blocks, commandsOf, read, root } from './harness/pages.ts';
import { Reader } from './harness/reader.ts';

const pages = ['README.md', ...globSync('docs/*.md', { cwd: root })].sort();
const allPages = [...pages, 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'bench/README.md'];
const schemas = new Map([...(await loadSchemas()), [workloadSchema.kind, workloadSchema]]);

const docker = 'needs Docker; `npm run e2e:compose` runs it, with the other commands of deploy/README.md';

/** Commands that are not run here, and why. */
const notRun: Readonly<Record<string, string>> = {
  'npm test': 'this is it',
  'kill -9 "$(pgrep -n -f payments.js)"':
    'could meet a process of another mesh; test/e2e/start.test.ts kills one of its own',
  'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 npm start': 'needs Jaeger; the tracing tests run with one',
  'npm start -- --store consul': 'needs Consul; test/e2e/consul.test.ts has one',
  'docker compose up --wait': docker,
  'docker compose exec control-plane weft edges': docker,
  'docker compose exec consul consul catalog services': docker,
  'consul agent -dev': 'is not ours',
  'bin/weft control-plane --store consul --ca-key-file ca.key --grpc 0.0.0.0:7443 --name mesh.example.com':
    'needs Consul; the tests of the stores have one',
};

const sh = (page: string): Block[] => blocks(page).filter(({ language }) => language === 'sh');
/** The one command of the README that starts another mesh; getting-started.md has it too. */
const startsAnother = ({ text }: Block): boolean => text.startsWith('bin/weft up ');

async function follow(list: readonly Block[]): Promise<void> {
  const reader = await Reader.open(notRun);
  try {
    for (const block of list) await reader.follow(block);
  } finally {
    await reader.close();
  }
}

describe('the commands of', () => {
  const [up, ...byHand] = sh('docs/getting-started.md');

  test('the README and the pages about the shop do what is said', async () => {
    const tour = sh('README.md').filter((block) => !startsAnother(block));
    const others = pages.filter((page) => page !== 'README.md' && page !== 'docs/getting-started.md');
    await follow([...tour, ...others.flatMap(sh)]);
  }, 120_000);

  test('getting started bring up a mesh of processes', async () => {
    expect(sh('README.md').find(startsAnother)?.text).toBe(up?.text);
    await follow([up!]);
  }, 60_000);

  test('getting started bring up a mesh by hand', () => follow(byHand), 60_000);

  test('the list of those that are not run have not outlived the pages', () => {
    const written = pages.flatMap(sh).flatMap((block) => commandsOf(block).map(({ text }) => text));
    for (const command of Object.keys(notRun)) expect(written).toContain(command);
  });
});

describe('YAML', () => {
  test('of the pages, and every example, has no problems, also by the JSON Schema', async () => {
    const schema = z.fromJSONSchema(JSON.parse(read('docs/schema/weft.json')));
    const examples = globSync('examples/**/*.yaml', { cwd: root }).map((path) => ({ path, text: read(path) }));
    const inPages = pages
      .flatMap(blocks)
      .filter(({ language }) => language === 'yaml')
      .map(({ page, line, text }) => ({ path: `${page}:${line}`, text }));
    expect(examples.length).toBeGreaterThan(8);
    for (const { path, text } of [...examples, ...inPages]) {
      const { issues } = parseDocuments(text, path, schemas);
      expect(issues.map(formatIssue)).toEqual([]);
      for (const document of parseAllDocuments(text)) {
        const { error } = schema.safeParse(document.toJSON());
        expect([path, error?.issues ?? []]).toEqual([path, []]);
      }
    }
  });

  test('there is an example for every kind', () => {
    const examples = globSync('examples/policies/*.yaml', { cwd: root }).map(read).join('\n');
    for (const kind of schemas.keys()) {
      expect(examples).toContain(`kind: ${kind}\n`);
      expect(read('docs/resources.md')).toContain(`\n## ${kind}\n`);
    }
  });
});

test('the policy kind that CONTRIBUTING.md adds as an example is one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-kind-'));
  try {
    const stamp = join(folder, 'policies/stamp');
    mkdirSync(stamp, { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const path of globSync('policies/*.ts', { cwd: root })) symlinkSync(join(root, path), join(folder, path));
    const [spec, schema, filter, line] = blocks('CONTRIBUTING.md').filter(({ language }) => language === 'ts');
    const [example] = blocks('CONTRIBUTING.md').filter(({ language }) => language === 'yaml');
    for (const [name, block] of Object.entries({ spec, schema, filter }))
      writeFileSync(join(stamp, `${name}.ts`), block!.text);
    const script = `
      const { schema } = await import('${stamp}/schema.ts');
      const { filter } = await import('${stamp}/filter.ts');
      const { parseDocuments } = await import('${root}/policies/documents.ts');
      const { resources, issues } = parseDocuments(${JSON.stringify(example!.text)}, 'x', new Map([[schema.kind, schema]]));
      const set = [];
      const ex = { response: { set: (...field) => set.push(field) } };
      filter.compilePolicy(resources[0].resource.spec, {}).onResponse(ex);
      console.log(JSON.stringify({ issues, set }));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(JSON.parse(said)).toEqual({ issues: [], set: [['x-stamp', 'handled by Weft']] });
    expect(line!.text).toMatch(/^entry\('StampPolicy', 'policy', /);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('pages', () => {
  test('lead somewhere with every link', () => {
    const broken = allPages.flatMap((page) =>
      [
        ...read(page)
          .replaceAll(/^```.*?^```$/gms, '')
          .matchAll(/\]\(([^)\s]+)\)/g),
      ]
        .map(([, link]) => link!)
        .filter((link) => !/^https?:/.test(link) && !leads(page, link))
        .map((link) => `${page}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  test('name flags that there are', async () => {
    const program = await makeProgram(() => true);
    const all = (command: Command): string[] => [
      ...command.options.flatMap(({ long }) => long ?? []),
      ...command.commands.flatMap(all),
    ];
    const tables = [sidecarOptions, controlPlaneOptions, startOptions];
    const known = new Set([
      ...all(program),
      '--help',
      ...tables.flatMap((table) => Object.keys(table).map((name) => `--${name}`)),
    ]);
    const others = new Set(['--header', '--max-old-space-size', '--query']);
    for (const page of [...pages, 'ARCHITECTURE.md']) {
      const code = [...read(page).matchAll(/`([^`\n]+)`/g)]
        .map(([, text]) => text!)
        .filter((text) => !text.startsWith('curl'));
      const flags = code.flatMap((text) => text.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? []);
      expect([page, flags.filter((flag) => !known.has(flag) && !others.has(flag))]).toEqual([page, []]);
    }
  });

  test('name error codes that there are, and the table has every one', () => {
    const codes = Object.keys(errors);
    for (const code of codes) expect(read('docs/errors.md')).toContain(`\`${code}\``);
    const told = [...read('docs/lifecycle.md').matchAll(/\b[345]\d\d ([A-Z][A-Z_]{4,})/g)].map(([, code]) => code!);
    const explained = [...read('docs/operations.md').matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, code]) => code!);
    expect(told.length).toBeGreaterThan(20);
    for (const code of [...told, ...explained.filter((code) => !/^(?:OTEL|WEFT)_/.test(code))])
      expect(codes).toContain(code);
  });

  test('name scripts of npm that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = allPages.flatMap((page) =>
      [...read(page).matchAll(/npm run ([a-z0-9:]+)/g)].map(([, name]) => name!),
    );
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});

/** The file is there, and so is the heading behind `#`, as GitHub names it. */
function leads(page: string, link: string): boolean {
  const [path, anchor] = link.split('#') as [string, string | undefined];
  const file = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
    text!
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
  return headings.includes(anchor) || readFileSync(file, 'utf8').includes(`<a id="${anchor}"></a>`);
}
