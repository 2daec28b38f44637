import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

export interface Import {
  /** As it stands in the source. */
  readonly specifier: string;
  /** The file in this repository that it means; the specifier itself for packages. */
  readonly to: string;
  /** `type`: gone before anything runs. `late`: loaded when it is called for. */
  readonly how: 'static' | 'type' | 'late';
}

/** One file that people wrote. */
export interface Source {
  /** Relative to the root, with `/`. */
  readonly path: string;
  /** The first folder of the path. */
  readonly part: string;
  readonly text: string;
  readonly isTest: boolean;
  readonly imports: readonly Import[];
}

const statement = /^(?:import|export)\s(type\s)?[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(statement)].map(([, type, from, bare, late]) => {
    const specifier = from ?? bare ?? late ?? '';
    const to = specifier.startsWith('.') ? join(path, '..', specifier) : specifier;
    return { specifier, to, how: late !== undefined ? 'late' : type !== undefined ? 'type' : 'static' };
  });
}

/** Every TypeScript and JavaScript file of the project, generated ones excepted. */
export function readSources(): Source[] {
  const exclude = ['**/node_modules/**', 'proto/gen/**', 'dist/**'];
  return globSync('*/**/*.{ts,js}', { cwd: root, exclude })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const part = path.split('/')[0]!;
      return { path, part, text, isTest: path.endsWith('.test.ts'), imports: importsOf(path, text) };
    });
}

/** What is loaded at once with the file at `path`: files of this repository and packages. */
export function loadedWith(path: string, sources: readonly Source[]): ReadonlySet<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const loaded = new Set([path]);
  // A set is walked in the order of insertion, what is added on the way included.
  for (const one of loaded)
    for (const { to, how } of byPath.get(one)?.imports ?? []) if (how === 'static') loaded.add(to);
  return loaded;
}
