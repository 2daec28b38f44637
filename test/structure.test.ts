// The architecture, as far as a program can check it. Each list of exceptions says why.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kinds } from '../policies/index.ts';
import { loadedWith, readSources, root, type Source } from './harness/sources.ts';

const sources = readSources();
const shipped = sources.filter(({ part, isTest }) => !isTest && part !== 'test' && part !== 'bench');

/** What the files of a part may import, beside their own part and packages. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: ['package.json'],
  proto: ['lib'],
  policies: ['lib', 'proto'],
  sidecar: ['lib', 'proto', 'policies'],
  'control-plane': ['lib', 'proto', 'policies'],
  cli: ['lib', 'proto/api', 'policies'],
  // Writes the reference pages of every part.
  deploy: [''],
  examples: [],
  test: [''],
  bench: ['lib', 'deploy'],
};

/** The CLI talks to the HTTP API; only its entry hands over to the daemons. */
const doors = new Map([['cli/main.ts', ['sidecar/main.ts', 'control-plane/main.ts']]]);

/** Where time, randomness and the console may be used directly. Everywhere else they come in as lib/{clock,random,log}. */
const directUse: readonly [pattern: RegExp, what: string, allowed: Readonly<Record<string, string>>][] = [
  [
    /(?<![.\w])set(?:Timeout|Interval)\(/g,
    'a timer of its own, instead of the clock',
    {
      'lib/clock.ts': 'is the clock',
      'sidecar/net/loop.ts': 'one sweep for all sockets, which live in real time',
      'sidecar/upstream/connect.ts': 'the limit of one real connect',
    },
  ],
  [
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bprocess\.hrtime\b/g,
    'the time of the machine, instead of the clock',
    {
      'lib/clock.ts': 'is the clock',
      'lib/log.ts': 'the default of its clock',
      'sidecar/tls/issue.ts': 'gRPC reads deadlines by the clock of the machine',
    },
  ],
  [/\bMath\.random\b/g, 'chance that a test cannot set', { 'lib/random.ts': 'is the chance' }],
  [/\bconsole\./g, 'the console, instead of the log', {}],
  [
    /\bprocess\.(?:env|argv)\b/g,
    'environment or flags, outside of the files that read them once',
    { 'sidecar/config.ts': '', 'sidecar/main.ts': '', 'control-plane/config.ts': '', 'control-plane/main.ts': '' },
  ],
];
/** Programs for people, and what measures them: not part of a daemon. */
const freeParts = new Set(['cli', 'bench', 'test', 'deploy', 'examples']);

/** What hides something unfinished, or ties the project to one machine. Written so that they do not match themselves. */
const unwanted: readonly [pattern: RegExp, what: string][] = [
  [/(?<![\w.~-])\/(?:work|root|home)\//, 'a path of one machine'],
  [/registry\.npm[j]s|proxy\.gol[a]ng|py[p]i\.org|deb\.deb[i]an/, 'a host of a registry'],
  [/\b(?:TO[D]O|FIX[M]E|X[X]X)\b/, 'something put off'],
  [/\bas\s+any\b|<an[y]>/, 'any, instead of a type or unknown'],
  [/@ts-(?:[i]gnore|[e]xpect-error|[n]ocheck)|biome-[i]gnore|eslint-[d]isable/, 'a silenced check'],
  [/\bcatch\s*(?:\(\w*\))?\s*\{\s*\}/, 'a swallowed exception'],
  [/\b(?:test|it|describe)\.(?:only|todo)\b/, 'a test that hides others, or none'],
  [/\bjest\.(?:mock|unstable_mockModule)\(/, 'a mock of our own parts'],
];

const problems = (check: (source: Source) => readonly string[], of = sources): string[] =>
  of.flatMap((source) => check(source).map((problem) => `${source.path}: ${problem}`));

const lines = (text: string): number => text.split('\n').length - 1;

const inside = (path: string, folder: string): boolean =>
  folder === '' || path === folder || path.startsWith(`${folder}/`);

test('imports point one way', () => {
  const wrong = problems(({ path, part, isTest, imports }) => {
    const allowed = [part, ...(mayImport[part] ?? []), ...(doors.get(path) ?? []), ...(isTest ? ['test/harness'] : [])];
    return imports
      .filter(({ specifier, to }) => specifier.startsWith('.') && !allowed.some((folder) => inside(to, folder)))
      .map(({ to }) => `${part} does not import ${to}`);
  });
  expect(wrong).toEqual([]);
});

test('every part of the project has its rule', () => {
  expect([...new Set(sources.map(({ part }) => part))].filter((part) => mayImport[part] === undefined)).toEqual([]);
});

test('no policy imports another one', () => {
  const folder = (path: string): string => /^policies\/([^/]+)\//.exec(path)?.[1] ?? '';
  const wrong = problems(({ path, imports }) =>
    imports
      .filter(({ to }) => folder(path) !== '' && folder(to) !== '' && folder(path) !== folder(to))
      .map(({ to }) => `imports ${to}`),
  );
  expect(wrong).toEqual([]);
});

test('relative imports name a file, with its ending', () => {
  const wrong = problems(({ imports }) =>
    imports
      .filter(
        ({ specifier, to }) =>
          specifier.startsWith('.') && !(/\.(?:ts|js|json)$/.test(to) && existsSync(join(root, to))),
      )
      .map(({ specifier }) => `no such file: ${specifier}`),
  );
  expect(wrong).toEqual([]);
});

test('codecs do no I/O: octets in, events out', () => {
  const codecs = [
    ...globSync('sidecar/http/{message,grpc,h2/hpack}/*.ts', { cwd: root, exclude: ['**/*.test.ts'] }),
    ...'scan partial chunked request response request-body'.split(' ').map((name) => `sidecar/http/h1/${name}.ts`),
  ];
  expect(codecs.length).toBeGreaterThan(10);
  const wrong = codecs.flatMap((name) =>
    [...loadedWith(name, sources)]
      .filter((loaded) => loaded.startsWith('node:') || inside(loaded, 'sidecar/net'))
      .map((loaded) => `${name} loads ${loaded}`),
  );
  expect(wrong).toEqual([]);
});

test('a sidecar loads neither the schemas nor the CLI', () => {
  const loaded = new Set([...loadedWith('cli/main.ts', sources), ...loadedWith('sidecar/main.ts', sources)]);
  for (const { schema } of kindFolders()) expect(loaded).not.toContain(schema);
  for (const heavy of ['zod', 'yaml', 'commander', 'consul', '@grpc/grpc-js', '@opentelemetry/api'])
    expect([heavy, loaded.has(heavy)]).toEqual([heavy, false]);
});

test('a sidecar with one thread loads nothing of the workers', () => {
  const loaded = [...loadedWith('sidecar/main.ts', sources)];
  expect(loaded).toContain('sidecar/data-plane.ts');
  expect(loaded.filter((path) => inside(path, 'sidecar/workers') || path === 'node:worker_threads')).toEqual([]);
});

test('files have at most 300 lines', () => {
  expect(problems(({ text }) => (lines(text) > 300 ? [`${lines(text)} lines`] : []))).toEqual([]);
});

/** The folders with a schema, and the files that the index loads for the kinds. */
function kindFolders(): { readonly folder: string; readonly schema: string }[] {
  return globSync('policies/*/schema.ts', { cwd: root })
    .sort()
    .map((schema) => ({ folder: dirname(schema), schema }));
}

test('every kind is one folder with schema, filter, example and test, and one entry of the list', () => {
  const index = sources.find(({ path }) => path === 'policies/index.ts')!;
  const listed = index.imports.filter(({ how }) => how === 'late').map(({ to }) => to);
  const folders = kindFolders().map(({ folder }) => folder);
  expect(listed.toSorted()).toEqual(
    folders.flatMap((folder) => [`${folder}/filter.ts`, `${folder}/schema.ts`]).toSorted(),
  );
  expect(kinds).toHaveLength(folders.length);
  const described = folders.map(
    (folder) => /^kind: (\w+)$/m.exec(readFileSync(join(root, folder, 'example.yaml'), 'utf8'))?.[1],
  );
  expect(described.toSorted()).toEqual(kinds.map(({ kind }) => kind).toSorted());
  for (const folder of folders)
    expect([folder, globSync(`${folder}/*.test.ts`, { cwd: root })]).not.toEqual([folder, []]);
});

test.each(directUse.map(([pattern, what, allowed]) => ({ pattern, what, allowed })))(
  'nothing shipped uses $what',
  ({ pattern, allowed }) => {
    const used = shipped
      .filter(({ part, text }) => !freeParts.has(part) && text.search(pattern) >= 0)
      .map(({ path }) => path);
    expect(used.filter((path) => allowed[path] === undefined)).toEqual([]);
    // An exception that nobody uses any more goes.
    const stale = Object.keys(allowed).filter((path) => allowed[path] !== '' && !used.includes(path));
    expect(stale).toEqual([]);
  },
);

test('no file has what is unfinished, silenced or of one machine', () => {
  const texts = globSync('{**/*.{ts,js,json,yaml,yml,md,proto,sh},bin/*,.ci/*}', {
    cwd: root,
    exclude: ['**/node_modules/**', 'dist/**', 'package-lock.json', '.git/**', '.weft/**'],
  });
  const found = texts.flatMap((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return unwanted
      .map(([pattern, what]) => ({ match: pattern.exec(text), what }))
      .filter(({ match }) => match !== null)
      .map(({ match, what }) => `${path}:${lines(text.slice(0, match!.index)) + 1}: ${what}`);
  });
  expect(found).toEqual([]);
});
