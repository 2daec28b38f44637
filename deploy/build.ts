// `npm run build`: the sources as a few JavaScript files in dist/, for the package, the image and the bench. One file per
// part that is loaded on its own, so that a sidecar neither reads nor keeps what only the control plane or the CLI needs.
import { readFileSync, rmSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build as bundle, type Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** What CommonJS dependencies expect to find around them. */
const commonJs = `const weftModule = process.getBuiltinModule('node:module');
const require = weftModule.createRequire(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

/**
 * An ESM import of a built-in module reads all of its properties, and thereby loads whatever Node loads on demand: WebCrypto,
 * fetch, WebSocket. Here every importer reads what it uses and no more: an idle sidecar is 7 MB smaller and there 80 ms
 * earlier. A copy for each importer, because what several share would be a file of its own, and each costs half a ms.
 */
const leanBuiltins: Plugin = {
  name: 'lean built-ins',
  setup(build) {
    build.onResolve({ filter: /^[a-z:/_]+$/ }, ({ path, kind, importer }) => {
      if (!isBuiltin(path) || (kind !== 'import-statement' && kind !== 'dynamic-import')) return undefined;
      return { path: `${path} of ${importer}`, pluginData: path, namespace: 'builtin', sideEffects: false };
    });
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ pluginData: path }) => {
      const names = Object.keys(process.getBuiltinModule(path) as object).filter((name) =>
        /^[A-Za-z_$][\w$]*$/.test(name),
      );
      const lines = names.map((name) => `export const ${name} = /* @__PURE__ */ weftRead('${name}');`);
      const module = `const weftBuiltin = /* @__PURE__ */ process.getBuiltinModule('${path}'), weftRead = (name) => weftBuiltin[name];`;
      return { contents: [module, ...lines, 'export default weftBuiltin;'].join('\n') };
    });
  },
};

/** zod brings its messages in fifty languages, half of its size; ours are English. */
const englishOnly: Plugin = {
  name: 'english only',
  setup(build) {
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: join(root, 'node_modules/zod/v4/locales'),
    }));
  },
};

/** OpenTelemetry asks for gRPC only when it exports, through a `require` of its own that a bundler does not follow. */
const followedRequires: Plugin = {
  name: 'followed requires',
  setup(build) {
    build.onLoad({ filter: /\/node_modules\/@opentelemetry\/.*\.mjs$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll('__require("@', 'require("@'),
    }));
  },
};

/**
 * Writes `folder`/weft.js, thread.js (what a worker thread of a sidecar begins with) and their chunks. They find the .proto
 * files beside dist/, as the sources do.
 */
export async function build(folder = join(root, 'dist')): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await bundle({
    absWorkingDir: root,
    entryPoints: { weft: 'cli/main.ts', thread: 'sidecar/workers/thread.ts' },
    outdir: folder,
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    // Where a package has modules besides CommonJS, what is not used of them is left out.
    mainFields: ['module', 'main'],
    // Less text to keep in memory; names stay, so that a stack trace can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'external',
    banner: { js: commonJs },
    plugins: [leanBuiltins, englishOnly, followedRequires],
    logLevel: 'warning',
  });
}

if (import.meta.main) await build(process.argv[2]);
