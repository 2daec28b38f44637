// Original file: proto/weft/v1/identity.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { IdentityReply as _weft_v1_IdentityReply, IdentityReply__Output as _weft_v1_IdentityReply__Output } from '../../weft/v1/IdentityReply.ts';
import type { JoinRequest as _weft_v1_JoinRequest, JoinRequest__Output as _weft_v1_JoinRequest__Output } from '../../weft/v1/JoinRequest.ts';
import type { RenewRequest as _weft_v1_RenewRequest, RenewRequest__Output as _weft_v1_RenewRequest__Output } from '../../weft/v1/RenewRequest.ts';

export interface IdentityClient extends grpc.Client {
  Join(argument: _weft_v1_JoinRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  Join(argument: _weft_v1_JoinRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  Join(argument: _weft_v1_JoinRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  Join(argument: _weft_v1_JoinRequest, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  join(argument: _weft_v1_JoinRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  join(argument: _weft_v1_JoinRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  join(argument: _weft_v1_JoinRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  join(argument: _weft_v1_JoinRequest, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  
  Renew(argument: _weft_v1_RenewRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  Renew(argument: _weft_v1_RenewRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  Renew(argument: _weft_v1_RenewRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  Renew(argument: _weft_v1_RenewRequest, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  renew(argument: _weft_v1_RenewRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  renew(argument: _weft_v1_RenewRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  renew(argument: _weft_v1_RenewRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  renew(argument: _weft_v1_RenewRequest, callback: grpc.requestCallback<_weft_v1_IdentityReply__Output>): grpc.ClientUnaryCall;
  
}

export interface IdentityHandlers extends grpc.UntypedServiceImplementation {
  Join: grpc.handleUnaryCall<_weft_v1_JoinRequest__Output, _weft_v1_IdentityReply>;
  
  Renew: grpc.handleUnaryCall<_weft_v1_RenewRequest__Output, _weft_v1_IdentityReply>;
  
}

export interface IdentityDefinition extends grpc.ServiceDefinition {
  Join: MethodDefinition<_weft_v1_JoinRequest, _weft_v1_IdentityReply, _weft_v1_JoinRequest__Output, _weft_v1_IdentityReply__Output>
  Renew: MethodDefinition<_weft_v1_RenewRequest, _weft_v1_IdentityReply, _weft_v1_RenewRequest__Output, _weft_v1_IdentityReply__Output>
}
