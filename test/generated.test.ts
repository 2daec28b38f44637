import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

test('generating again gives what is committed', () => {
  const fresh = mkdtempSync(join(tmpdir(), 'weft-gen-'));
  try {
    execFileSync(process.execPath, [join(root, 'deploy/gen.ts'), fresh], { stdio: 'pipe' });
    const paths = globSync('**/*.{ts,md,json}', { cwd: fresh }).sort();
    expect(paths).toEqual(expect.arrayContaining(['docs/errors.md', 'docs/policies.md', 'docs/schema/weft.json']));
    for (const path of paths) expect([path, read(root, path)]).toEqual([path, read(fresh, path)]);
    // Nothing is left of kinds and messages that are gone.
    const committed = globSync(['proto/gen/**/*.ts', 'docs/schema/*.json'], { cwd: root }).sort();
    expect(committed.filter((path) => !paths.includes(path))).toEqual([]);
  } finally {
    rmSync(fresh, { recursive: true });
  }
});

const read = (folder: string, path: string): string => readFileSync(join(folder, path), 'utf8');
