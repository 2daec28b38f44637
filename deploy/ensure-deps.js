// Installs the locked dependencies when they are missing or stale. Plain JavaScript, because the Node that starts npm may
// be an old one (>= 18): the Node that runs Weft is itself one of the dependencies.
import { execSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules/.weft-lock');
const want = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== want) {
  console.error('installing dependencies (about a minute the first time) …');
  execSync('npm ci --loglevel=error --no-audit --no-fund', { cwd: root, stdio: ['ignore', 2, 2] });
  writeFileSync(stamp, want);
}

// What `node` means in npm's scripts is only now there, and may lack a library: bin/weft says which, in one line.
const { status } = spawnSync(join(root, 'bin/weft'), ['version'], { stdio: ['ignore', 'ignore', 'inherit'] });
process.exitCode = status ?? 3;
