import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from './folder.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'weft-folder-'));
});
afterEach(() => rmSync(base, { recursive: true }));

test('a folder is made with all that is missing above it, for its owner alone, and again without harm', () => {
  const path = join(base, 'a', 'b', 'c');
  makeFolder(path);
  makeFolder(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test('where there can be no folder the system says why, at once', () => {
  writeFileSync(join(base, 'file'), '');
  for (const path of [join(base, 'file'), join(base, 'file', 'below')])
    expect(() => makeFolder(path)).toThrow(/EEXIST|ENOTDIR/);
  if (process.platform === 'linux') expect(() => makeFolder('/proc/weft/state')).toThrow('ENOENT');
});
