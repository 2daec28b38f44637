// `npm run build`: the sources as a few JavaScript files in dist/, for the package, the image and the bench. One file per
// part that is loaded on its own, so that a sidecar neither reads nor keeps what only the control plane or the CLI needs.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** What CommonJS dependencies expect to find around them. */
const commonJs = `import { createRequire as weftCreateRequire } from 'node:module';
import { dirname as weftDirname } from 'node:path';
import { fileURLToPath as weftFileURLToPath } from 'node:url';
const require = weftCreateRequire(import.meta.url);
const __filename = weftFileURLToPath(import.meta.url);
const __dirname = weftDirname(__filename);`;

/** Writes dist/weft.js and its chunks. They find the .proto files beside dist/, as the sources do. */
export async function build(): Promise<void> {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await bundle({
    absWorkingDir: root,
    entryPoints: { weft: 'cli/main.ts' },
    outdir: 'dist',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    // Less text to keep in memory; names stay, so that a stack trace can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    keepNames: false,
    legalComments: 'external',
    banner: { js: commonJs },
    logLevel: 'warning',
  });
}

if (import.meta.main) await build();
