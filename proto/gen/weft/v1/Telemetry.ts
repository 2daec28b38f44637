// Original file: proto/weft/v1/telemetry.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { EdgeReport as _weft_v1_EdgeReport, EdgeReport__Output as _weft_v1_EdgeReport__Output } from '../../weft/v1/EdgeReport.ts';
import type { ReportSummary as _weft_v1_ReportSummary, ReportSummary__Output as _weft_v1_ReportSummary__Output } from '../../weft/v1/ReportSummary.ts';

export interface TelemetryClient extends grpc.Client {
  Report(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  Report(metadata: grpc.Metadata, callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  Report(options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  Report(callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  report(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  report(metadata: grpc.Metadata, callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  report(options: grpc.CallOptions, callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  report(callback: grpc.requestCallback<_weft_v1_ReportSummary__Output>): grpc.ClientWritableStream<_weft_v1_EdgeReport>;
  
}

export interface TelemetryHandlers extends grpc.UntypedServiceImplementation {
  Report: grpc.handleClientStreamingCall<_weft_v1_EdgeReport__Output, _weft_v1_ReportSummary>;
  
}

export interface TelemetryDefinition extends grpc.ServiceDefinition {
  Report: MethodDefinition<_weft_v1_EdgeReport, _weft_v1_ReportSummary, _weft_v1_EdgeReport__Output, _weft_v1_ReportSummary__Output>
}
