import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Ack as _weft_v1_Ack, Ack__Output as _weft_v1_Ack__Output } from './weft/v1/Ack.ts';
import type { DiscoveryClient as _weft_v1_DiscoveryClient, DiscoveryDefinition as _weft_v1_DiscoveryDefinition } from './weft/v1/Discovery.ts';
import type { Endpoint as _weft_v1_Endpoint, Endpoint__Output as _weft_v1_Endpoint__Output } from './weft/v1/Endpoint.ts';
import type { EndpointChange as _weft_v1_EndpointChange, EndpointChange__Output as _weft_v1_EndpointChange__Output } from './weft/v1/EndpointChange.ts';
import type { FromControlPlane as _weft_v1_FromControlPlane, FromControlPlane__Output as _weft_v1_FromControlPlane__Output } from './weft/v1/FromControlPlane.ts';
import type { FromSidecar as _weft_v1_FromSidecar, FromSidecar__Output as _weft_v1_FromSidecar__Output } from './weft/v1/FromSidecar.ts';
import type { Held as _weft_v1_Held, Held__Output as _weft_v1_Held__Output } from './weft/v1/Held.ts';
import type { HeldEndpoint as _weft_v1_HeldEndpoint, HeldEndpoint__Output as _weft_v1_HeldEndpoint__Output } from './weft/v1/HeldEndpoint.ts';
import type { Hello as _weft_v1_Hello, Hello__Output as _weft_v1_Hello__Output } from './weft/v1/Hello.ts';
import type { Nack as _weft_v1_Nack, Nack__Output as _weft_v1_Nack__Output } from './weft/v1/Nack.ts';
import type { Problem as _weft_v1_Problem, Problem__Output as _weft_v1_Problem__Output } from './weft/v1/Problem.ts';
import type { Push as _weft_v1_Push, Push__Output as _weft_v1_Push__Output } from './weft/v1/Push.ts';
import type { Resource as _weft_v1_Resource, Resource__Output as _weft_v1_Resource__Output } from './weft/v1/Resource.ts';
import type { ResourceKey as _weft_v1_ResourceKey, ResourceKey__Output as _weft_v1_ResourceKey__Output } from './weft/v1/ResourceKey.ts';
import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from './weft/v1/ServiceKey.ts';
import type { State as _weft_v1_State, State__Output as _weft_v1_State__Output } from './weft/v1/State.ts';
import type { Subscribe as _weft_v1_Subscribe, Subscribe__Output as _weft_v1_Subscribe__Output } from './weft/v1/Subscribe.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  weft: {
    v1: {
      Ack: MessageTypeDefinition<_weft_v1_Ack, _weft_v1_Ack__Output>
      Discovery: SubtypeConstructor<typeof grpc.Client, _weft_v1_DiscoveryClient> & { service: _weft_v1_DiscoveryDefinition }
      Endpoint: MessageTypeDefinition<_weft_v1_Endpoint, _weft_v1_Endpoint__Output>
      EndpointChange: MessageTypeDefinition<_weft_v1_EndpointChange, _weft_v1_EndpointChange__Output>
      FromControlPlane: MessageTypeDefinition<_weft_v1_FromControlPlane, _weft_v1_FromControlPlane__Output>
      FromSidecar: MessageTypeDefinition<_weft_v1_FromSidecar, _weft_v1_FromSidecar__Output>
      Held: MessageTypeDefinition<_weft_v1_Held, _weft_v1_Held__Output>
      HeldEndpoint: MessageTypeDefinition<_weft_v1_HeldEndpoint, _weft_v1_HeldEndpoint__Output>
      Hello: MessageTypeDefinition<_weft_v1_Hello, _weft_v1_Hello__Output>
      Nack: MessageTypeDefinition<_weft_v1_Nack, _weft_v1_Nack__Output>
      Problem: MessageTypeDefinition<_weft_v1_Problem, _weft_v1_Problem__Output>
      Push: MessageTypeDefinition<_weft_v1_Push, _weft_v1_Push__Output>
      Resource: MessageTypeDefinition<_weft_v1_Resource, _weft_v1_Resource__Output>
      ResourceKey: MessageTypeDefinition<_weft_v1_ResourceKey, _weft_v1_ResourceKey__Output>
      ServiceKey: MessageTypeDefinition<_weft_v1_ServiceKey, _weft_v1_ServiceKey__Output>
      State: MessageTypeDefinition<_weft_v1_State, _weft_v1_State__Output>
      Subscribe: MessageTypeDefinition<_weft_v1_Subscribe, _weft_v1_Subscribe__Output>
    }
  }
}

