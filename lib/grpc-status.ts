/** The status codes of gRPC, by number. https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const grpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type GrpcStatus = keyof typeof grpcStatus;

/** Names by number: a closed set, fit for labels. */
export const grpcStatusNames = Object.keys(grpcStatus) as readonly GrpcStatus[];

/** Of an exchange that is not gRPC, or whose status never came. */
export const NO_GRPC_STATUS = -1;

const faults = new Set<number>(
  (['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'] as const).map(
    (name) => grpcStatus[name],
  ),
);

/**
 * True for what is the fault of the service, as 5xx is in HTTP; the others say something about the request. The same
 * set as https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ has for servers.
 */
export const isGrpcFault = (status: number): boolean => faults.has(status);
