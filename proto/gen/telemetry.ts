import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Edge as _weft_v1_Edge, Edge__Output as _weft_v1_Edge__Output } from './weft/v1/Edge.ts';
import type { EdgeReport as _weft_v1_EdgeReport, EdgeReport__Output as _weft_v1_EdgeReport__Output } from './weft/v1/EdgeReport.ts';
import type { Endpoint as _weft_v1_Endpoint, Endpoint__Output as _weft_v1_Endpoint__Output } from './weft/v1/Endpoint.ts';
import type { ReportSummary as _weft_v1_ReportSummary, ReportSummary__Output as _weft_v1_ReportSummary__Output } from './weft/v1/ReportSummary.ts';
import type { Resource as _weft_v1_Resource, Resource__Output as _weft_v1_Resource__Output } from './weft/v1/Resource.ts';
import type { ResourceKey as _weft_v1_ResourceKey, ResourceKey__Output as _weft_v1_ResourceKey__Output } from './weft/v1/ResourceKey.ts';
import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from './weft/v1/ServiceKey.ts';
import type { TelemetryClient as _weft_v1_TelemetryClient, TelemetryDefinition as _weft_v1_TelemetryDefinition } from './weft/v1/Telemetry.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  weft: {
    v1: {
      Direction: EnumTypeDefinition
      Edge: MessageTypeDefinition<_weft_v1_Edge, _weft_v1_Edge__Output>
      EdgeReport: MessageTypeDefinition<_weft_v1_EdgeReport, _weft_v1_EdgeReport__Output>
      Endpoint: MessageTypeDefinition<_weft_v1_Endpoint, _weft_v1_Endpoint__Output>
      ReportSummary: MessageTypeDefinition<_weft_v1_ReportSummary, _weft_v1_ReportSummary__Output>
      Resource: MessageTypeDefinition<_weft_v1_Resource, _weft_v1_Resource__Output>
      ResourceKey: MessageTypeDefinition<_weft_v1_ResourceKey, _weft_v1_ResourceKey__Output>
      ServiceKey: MessageTypeDefinition<_weft_v1_ServiceKey, _weft_v1_ServiceKey__Output>
      Telemetry: SubtypeConstructor<typeof grpc.Client, _weft_v1_TelemetryClient> & { service: _weft_v1_TelemetryDefinition }
    }
  }
}

