// `npm run gen [FOLDER]`: everything that is generated and committed, into this tree or FOLDER. A test compares the two.
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { workloadSchema } from '../cli/up/workload.ts';
import { errorsReference, jsonSchemas, policiesReference } from '../policies/docs.ts';
import { loadSchemas } from '../policies/load.ts';
import { metricsReference } from '../sidecar/telemetry/metric-table.ts';
import { cliReference, configurationReference } from './reference.ts';

const root = join(import.meta.dirname, '..');
const out = resolve(process.argv[2] ?? root);

execFileSync(
  join(root, 'node_modules/.bin/proto-loader-gen-types'),
  [
    '--longs=Number',
    '--enums=String',
    '--defaults',
    '--oneofs',
    '--grpcLib=@grpc/grpc-js',
    '--importFileExtension=.ts',
    '--includeDirs=proto',
    `--outDir=${join(out, 'proto/gen')}`,
    'grpc/health/v1/health.proto',
    'weft/v1/discovery.proto',
    'weft/v1/identity.proto',
    'weft/v1/telemetry.proto',
  ],
  { cwd: root, stdio: 'inherit' },
);

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(out, path)), { recursive: true });
  writeFileSync(join(out, path), text);
};

// All that can stand in a file of a user.
const schemas = new Map([...(await loadSchemas()), [workloadSchema.kind, workloadSchema]]);
const examples = new Map<string, string>();
for (const path of [...globSync('policies/*/example.yaml', { cwd: root }), 'examples/policies/workload.yaml']) {
  const text = readFileSync(join(root, path), 'utf8');
  examples.set(/^kind: (\S+)$/m.exec(text)?.[1] ?? path, text);
}
write('docs/policies.md', policiesReference(schemas, examples));
write('docs/errors.md', errorsReference());
for (const [name, text] of jsonSchemas(schemas)) write(`docs/schema/${name}`, text);
write('docs/metrics.md', metricsReference());
write('docs/configuration.md', configurationReference());
write('docs/cli.md', await cliReference());
