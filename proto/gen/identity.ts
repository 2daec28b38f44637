import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { IdentityClient as _weft_v1_IdentityClient, IdentityDefinition as _weft_v1_IdentityDefinition } from './weft/v1/Identity.ts';
import type { IdentityReply as _weft_v1_IdentityReply, IdentityReply__Output as _weft_v1_IdentityReply__Output } from './weft/v1/IdentityReply.ts';
import type { JoinRequest as _weft_v1_JoinRequest, JoinRequest__Output as _weft_v1_JoinRequest__Output } from './weft/v1/JoinRequest.ts';
import type { RenewRequest as _weft_v1_RenewRequest, RenewRequest__Output as _weft_v1_RenewRequest__Output } from './weft/v1/RenewRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  weft: {
    v1: {
      Identity: SubtypeConstructor<typeof grpc.Client, _weft_v1_IdentityClient> & { service: _weft_v1_IdentityDefinition }
      IdentityReply: MessageTypeDefinition<_weft_v1_IdentityReply, _weft_v1_IdentityReply__Output>
      JoinRequest: MessageTypeDefinition<_weft_v1_JoinRequest, _weft_v1_JoinRequest__Output>
      RenewRequest: MessageTypeDefinition<_weft_v1_RenewRequest, _weft_v1_RenewRequest__Output>
    }
  }
}

