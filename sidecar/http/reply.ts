import { type ErrorCode, errors } from '../../lib/errors.ts';
import type { Reply } from '../../policies/policy.ts';
import type { HttpExchange } from './exchange.ts';
import { STATUS_CODES } from './message/status.ts';

/**
 * The body of an answer that the mesh makes itself: application/problem+json (RFC 9457). Says what failed and which
 * policy decided; never addresses or other inner matters, which are for the log.
 */
export function problemBody(ex: HttpExchange, reply: Reply): string {
  if (reply.code === 'REDIRECT') return '';
  const row = errors[reply.code as ErrorCode];
  return `${JSON.stringify({
    type: `https://weft.dev/errors/${reply.code}`,
    title: row.text,
    status: reply.status,
    code: reply.code,
    ...(reply.policy === '' ? {} : { policy: reply.policy }),
    ...(ex.snapshot === undefined ? {} : { revision: ex.snapshot.revision }),
    requestId: ex.record.requestId,
  })}\n`;
}

/** Fields of a reply, without its length and those of the connection. */
export const replyFields = (reply: Reply): readonly (readonly [name: string, value: string])[] => [
  ...reply.headers,
  ...(reply.code === 'REDIRECT'
    ? []
    : ([
        ['weft-error', reply.code],
        ['content-type', 'application/problem+json'],
      ] as const)),
];

/** Status line and fields of a reply in HTTP/1.1, up to and without those of the connection. */
export function replyHead(reply: Reply, length: number): string {
  let head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? 'Reply'}\r\n`;
  for (const [name, value] of replyFields(reply)) head += `${name}: ${value}\r\n`;
  return `${head}content-length: ${length}\r\n`;
}

/** Where the time went, for whoever reads the log. */
export function waitedFor(ex: HttpExchange, nowMs: number): string {
  const where = ex.endpoint?.label ?? 'an endpoint';
  const what = ex.upstream === undefined ? `a connection to ${where}` : `the answer of ${where}`;
  return `after ${Math.round(nowMs - ex.startMs)} ms, in attempt ${ex.attempts}, waiting for ${what}`;
}
