import { join } from 'node:path';
import { type GrpcObject, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { ProtoGrpcType as Discovery } from './gen/discovery.ts';
import type { ProtoGrpcType as HealthPackage } from './gen/health.ts';
import type { ProtoGrpcType as Identity } from './gen/identity.ts';
import type { ProtoGrpcType as Telemetry } from './gen/telemetry.ts';

type WeftProto = Discovery['weft']['v1'] & Identity['weft']['v1'] & Telemetry['weft']['v1'];
type HealthProto = HealthPackage['grpc']['health']['v1'];

let weft: WeftProto | undefined;
let health: HealthProto | undefined;

/** The gRPC services of `proto/weft/v1`, loaded once. */
export function weftProto(): WeftProto {
  const files = ['weft/v1/discovery.proto', 'weft/v1/identity.proto', 'weft/v1/telemetry.proto'];
  weft ??= (load(files) as unknown as { weft: { v1: WeftProto } }).weft.v1;
  return weft;
}

/** `proto/grpc/health/v1`, loaded once. */
export function healthProto(): HealthProto {
  health ??= (load(['grpc/health/v1/health.proto']) as unknown as HealthPackage).grpc.health.v1;
  return health;
}

/** The options are those that the committed types were made with. */
function load(files: string[]): GrpcObject {
  const includeDirs = [join(import.meta.dirname, '..', 'proto')];
  return loadPackageDefinition(
    loadSync(files, { includeDirs, longs: Number, enums: String, defaults: true, oneofs: true }),
  );
}
