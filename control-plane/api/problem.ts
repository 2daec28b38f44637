import type { Issue } from '../../lib/issues.ts';
import type { ApiProblem } from '../../proto/api/api.ts';

/** Every way in which the API says no: code → status and a sentence. A caller decides by the code, people read the rest. */
export const problems = {
  BAD_REQUEST: { status: 400, title: 'the request is not valid' },
  UNAUTHENTICATED: { status: 401, title: 'this API needs a token' },
  FORBIDDEN: { status: 403, title: 'nobody may do this' },
  HOST_NOT_ALLOWED: { status: 403, title: 'the Host of the request is not a name of this API' },
  NOT_FOUND: { status: 404, title: 'there is nothing here' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'this path does not take this method' },
  CONFLICT: { status: 409, title: 'somebody else changed the mesh first' },
  TOO_LARGE: { status: 413, title: 'the request is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'the body must be application/json' },
  INVALID: { status: 422, title: 'the change was refused; nothing was applied' },
  OVERLOADED: { status: 503, title: 'there is no room for more; try again later' },
  INTERNAL: { status: 500, title: 'the control plane failed; its log says why' },
  SIDECAR_UNREACHABLE: { status: 502, title: 'the sidecar did not answer' },
  JAEGER_UNREACHABLE: { status: 502, title: 'Jaeger did not answer' },
  NOT_READY: { status: 503, title: 'the control plane is not ready' },
  STORE_UNAVAILABLE: { status: 503, title: 'the store cannot be written now; nothing was changed' },
  STORE_UNCERTAIN: {
    status: 503,
    title: 'the store did not answer in time; look at the history before you apply again',
  },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ProblemCode = keyof typeof problems;

/** An answer of the API that is not the one that was asked for. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ProblemCode;
  readonly issues: readonly Issue[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail?: string,
    more: { readonly issues?: readonly Issue[]; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail ?? '');
    this.code = code;
    this.issues = more.issues;
    this.headers = more.headers ?? {};
  }
}

/** By name and code of what the store and the CA throw. */
const ofOthers: Readonly<Record<string, ProblemCode>> = {
  'StoreError CONFLICT': 'CONFLICT',
  'StoreError UNAVAILABLE': 'STORE_UNAVAILABLE',
  'StoreError UNCERTAIN': 'STORE_UNCERTAIN',
  'StoreError TOO_LARGE': 'TOO_LARGE',
  'IssueError PERMISSION_DENIED': 'FORBIDDEN',
  'IssueError RATE_LIMITED': 'OVERLOADED',
  'IssueError UNAVAILABLE': 'STORE_UNAVAILABLE',
};

/**
 * What a caller gets for anything that was thrown; undefined when it is nobody's mistake but ours, and says nothing of
 * itself. Errors are told apart by name, not by class: they may come from another realm.
 */
export function asApiError(thrown: unknown): ApiError | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const error = thrown as { name?: unknown; code?: unknown; message?: unknown; issues?: readonly Issue[] };
  const message = String(error.message ?? '');
  if (error.name === 'ApiError') return thrown as ApiError;
  if (error.name === 'InvalidInput') return new ApiError('INVALID', undefined, { issues: error.issues ?? [] });
  const code = ofOthers[`${String(error.name)} ${String(error.code)}`];
  return code === undefined ? undefined : new ApiError(code, message);
}

/** RFC 9457. */
export function problemBody(error: ApiError): ApiProblem {
  const { status, title } = problems[error.code];
  return {
    type: `https://weft.dev/problems/${error.code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    code: error.code,
    ...(error.message === '' ? {} : { detail: error.message }),
    ...(error.issues === undefined ? {} : { issues: [...error.issues] }),
  };
}
