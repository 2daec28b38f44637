// Original file: proto/weft/v1/discovery.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { FromControlPlane as _weft_v1_FromControlPlane, FromControlPlane__Output as _weft_v1_FromControlPlane__Output } from '../../weft/v1/FromControlPlane.ts';
import type { FromSidecar as _weft_v1_FromSidecar, FromSidecar__Output as _weft_v1_FromSidecar__Output } from '../../weft/v1/FromSidecar.ts';

export interface DiscoveryClient extends grpc.Client {
  Stream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_weft_v1_FromSidecar, _weft_v1_FromControlPlane__Output>;
  Stream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_weft_v1_FromSidecar, _weft_v1_FromControlPlane__Output>;
  stream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_weft_v1_FromSidecar, _weft_v1_FromControlPlane__Output>;
  stream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_weft_v1_FromSidecar, _weft_v1_FromControlPlane__Output>;
  
}

export interface DiscoveryHandlers extends grpc.UntypedServiceImplementation {
  Stream: grpc.handleBidiStreamingCall<_weft_v1_FromSidecar__Output, _weft_v1_FromControlPlane>;
  
}

export interface DiscoveryDefinition extends grpc.ServiceDefinition {
  Stream: MethodDefinition<_weft_v1_FromSidecar, _weft_v1_FromControlPlane, _weft_v1_FromSidecar__Output, _weft_v1_FromControlPlane__Output>
}
