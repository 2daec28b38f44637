import { isGrpcFault, NO_GRPC_STATUS } from '../../lib/grpc-status.ts';
import type { ExchangeRecord } from './telemetry.ts';

/** A record of nothing yet. */
export function newRecord(): ExchangeRecord {
  return {
    protocol: 'HTTP/1.1',
    method: '',
    host: '',
    path: '',
    rule: '',
    status: 0,
    grpcStatus: NO_GRPC_STATUS,
    code: '',
    policy: '',
    detail: '',
    peer: '',
    downstream: '',
    upstream: '',
    attempts: 0,
    requestBytes: 0,
    responseBytes: 0,
    startMs: 0,
    firstByteMs: 0,
    durationMs: 0,
    requestId: '',
    traceId: '',
    spanId: '',
    parentSpanId: '',
    sampled: false,
    tracestate: '',
  };
}

/** Makes it new for an exchange of this caller. What the request says of itself is filled in when it is understood. */
export function beginRecord(
  record: ExchangeRecord,
  caller: { readonly peer: string; readonly address: string },
  nowMs: number,
): void {
  record.rule = '';
  record.status = 0;
  record.grpcStatus = NO_GRPC_STATUS;
  record.code = '';
  record.policy = '';
  record.detail = '';
  record.upstream = '';
  record.attempts = 0;
  record.requestBytes = 0;
  record.responseBytes = 0;
  record.startMs = nowMs;
  record.firstByteMs = 0;
  record.peer = caller.peer;
  record.downstream = caller.address;
}

/** The service failed, by what it said: 5xx, or a status of gRPC that says as much. */
export const isServiceFault = ({ status, grpcStatus }: ExchangeRecord): boolean =>
  status >= 500 || (grpcStatus >= 0 && isGrpcFault(grpcStatus));
