// Original file: proto/weft/v1/telemetry.proto

import type { Long } from '@grpc/proto-loader';

export interface ReportSummary {
  'reports'?: (number | string | Long);
}

export interface ReportSummary__Output {
  'reports': (number);
}
