import { join } from 'node:path';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { ProtoGrpcType as Discovery } from './gen/discovery.ts';
import type { ProtoGrpcType as Identity } from './gen/identity.ts';
import type { ProtoGrpcType as Telemetry } from './gen/telemetry.ts';

type WeftProto = Discovery['weft']['v1'] & Identity['weft']['v1'] & Telemetry['weft']['v1'];

let loaded: WeftProto | undefined;

/** The gRPC services of `proto/weft/v1`, loaded once. The options are those that the committed types were made with. */
export function weftProto(): WeftProto {
  loaded ??= (
    loadPackageDefinition(
      loadSync(['weft/v1/discovery.proto', 'weft/v1/identity.proto', 'weft/v1/telemetry.proto'], {
        includeDirs: [join(import.meta.dirname, '..', 'proto')],
        longs: Number,
        enums: String,
        defaults: true,
        oneofs: true,
      }),
    ) as unknown as { weft: { v1: WeftProto } }
  ).weft.v1;
  return loaded;
}
