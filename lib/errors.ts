import type { GrpcStatus } from './grpc-status.ts';

/**
 * One row per answer that the mesh makes itself. `docs/errors.md` is generated from this table and a test compares them.
 *
 * `retry` says whether another attempt is safe:
 * - `always`: the service never saw the request
 * - `if-idempotent`: the service may have seen it; only a method or request that may be repeated is sent again
 * - `never`: another attempt would get the same answer, or has already been made
 */
export interface ErrorRow {
  readonly http: number;
  readonly grpc: GrpcStatus;
  readonly retry: 'always' | 'if-idempotent' | 'never';
  /** One sentence for whoever gets the answer. */
  readonly text: string;
}

export const errors = {
  BAD_REQUEST: { http: 400, grpc: 'INVALID_ARGUMENT', retry: 'never', text: 'the request is not valid HTTP' },
  NOT_HTTP: {
    http: 400,
    grpc: 'INVALID_ARGUMENT',
    retry: 'never',
    text: 'the first octets of the connection are no HTTP; it is closed without an answer',
  },
  REQUEST_TIMEOUT: {
    http: 408,
    grpc: 'DEADLINE_EXCEEDED',
    retry: 'never',
    text: 'the request did not arrive in time',
  },
  BODY_TOO_LARGE: { http: 413, grpc: 'RESOURCE_EXHAUSTED', retry: 'never', text: 'the request body is too large' },
  TARGET_TOO_LONG: { http: 414, grpc: 'INVALID_ARGUMENT', retry: 'never', text: 'the request target is too long' },
  EXPECTATION_FAILED: { http: 417, grpc: 'INVALID_ARGUMENT', retry: 'never', text: 'the expectation is not supported' },
  HEAD_TOO_LARGE: { http: 431, grpc: 'RESOURCE_EXHAUSTED', retry: 'never', text: 'the request head is too large' },
  METHOD_NOT_SUPPORTED: { http: 501, grpc: 'UNIMPLEMENTED', retry: 'never', text: 'this method is not supported here' },
  VERSION_NOT_SUPPORTED: {
    http: 505,
    grpc: 'UNIMPLEMENTED',
    retry: 'never',
    text: 'this version of HTTP is not supported',
  },
  NO_SERVICE: { http: 404, grpc: 'UNIMPLEMENTED', retry: 'never', text: 'no service of this name is in the mesh' },
  NO_ROUTE: { http: 404, grpc: 'UNIMPLEMENTED', retry: 'never', text: 'no route of the service matches this request' },
  CONNECTION_DENIED: {
    http: 403,
    grpc: 'PERMISSION_DENIED',
    retry: 'never',
    text: 'this caller may not connect to the service',
  },
  PROTOCOL_MISMATCH: {
    http: 502,
    grpc: 'UNAVAILABLE',
    retry: 'never',
    text: 'the service speaks another protocol than this caller',
  },
  NO_BACKEND: { http: 500, grpc: 'UNAVAILABLE', retry: 'never', text: 'the route has no backend that exists' },
  NO_ENDPOINT: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'the service has no endpoint that is ready' },
  NOT_READY: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'this sidecar has no configuration yet' },
  DRAINING: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'this sidecar is shutting down' },
  OVERLOAD_MEMORY: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'this sidecar is short of memory' },
  OVERLOAD_DELAY: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'this sidecar is short of CPU time' },
  OVERLOAD_SHED: {
    http: 503,
    grpc: 'UNAVAILABLE',
    retry: 'if-idempotent',
    text: 'this sidecar was short of memory and gave up what held most of it',
  },
  OUT_OF_FILES: {
    http: 503,
    grpc: 'UNAVAILABLE',
    retry: 'always',
    text: 'this sidecar has no file left for a connection to the service',
  },
  OVERLOADED: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'this sidecar has no room for more requests' },
  UPSTREAM_CONNECT: { http: 503, grpc: 'UNAVAILABLE', retry: 'always', text: 'could not connect to the service' },
  UPSTREAM_IDENTITY: {
    http: 503,
    grpc: 'UNAVAILABLE',
    retry: 'always',
    text: 'the endpoint could not prove that it is the service',
  },
  UPSTREAM_RESET: {
    http: 502,
    grpc: 'UNAVAILABLE',
    retry: 'if-idempotent',
    text: 'the service closed the connection before it answered',
  },
  UPSTREAM_INVALID: {
    http: 502,
    grpc: 'INTERNAL',
    retry: 'never',
    text: 'the service answered with something that is not valid HTTP',
  },
  REQUEST_DEADLINE: {
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
    retry: 'never',
    text: 'the service did not answer within the time for the request',
  },
  ATTEMPT_TIMEOUT: {
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
    retry: 'if-idempotent',
    text: 'the service did not answer within the time for one attempt',
  },
  STREAM_IDLE: {
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
    retry: 'never',
    text: 'nothing moved on this exchange for too long',
  },
  DOWNSTREAM_GONE: { http: 499, grpc: 'CANCELLED', retry: 'never', text: 'the caller went away before the answer' },
  FILTER_FAILED: { http: 500, grpc: 'INTERNAL', retry: 'never', text: 'a policy failed while it handled this request' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errors;

/** An expected failure with a code of the table. Its message is for logs; a peer sees only the row's text. */
export class WeftError extends Error {
  override readonly name = 'WeftError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, options?: { readonly detail?: string; readonly cause?: unknown }) {
    super(options?.detail ?? errors[code].text, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }
}

/** What to print of anything that was thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
