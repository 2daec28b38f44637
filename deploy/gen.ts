// `npm run gen`: everything that is generated and committed. A test runs it and compares.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

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
    '--outDir=proto/gen',
    'weft/v1/discovery.proto',
    'weft/v1/identity.proto',
    'weft/v1/telemetry.proto',
  ],
  { cwd: root, stdio: 'inherit' },
);
