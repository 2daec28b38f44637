const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

/** Doing it twice is as good as doing it once. RFC 9110 section 9.2.2. */
export const isIdempotent = (method: string): boolean => idempotent.has(method);
