/**
 * What the mesh itself says to gRPC callers. They look at trailers, not at the status of HTTP, and read no problem body:
 * so the answer is 200 with nothing but trailers, and the code stands where all answers of the mesh have it.
 */
import { type ErrorCode, errors } from '../../../lib/errors.ts';
import { grpcStatus } from '../../../lib/grpc-status.ts';
import type { Reply } from '../../../policies/policy.ts';
import { Head, STRIDE } from '../message/head.ts';
import { nameId } from '../message/names.ts';
import { percentEncode } from './status.ts';

type Field = readonly [name: string, value: string];

/** The status of HTTP that gRPC wants, whatever the status of the call. */
export const GRPC_HTTP_STATUS = 200;

/** The number of the gRPC status for a row of the error table. gRPC follows no redirects: to it that is no answer. */
export const grpcStatusOf = (code: Reply['code']): number =>
  code === 'REDIRECT' ? grpcStatus.UNKNOWN : grpcStatus[errors[code].grpc];

/** The fields of an answer of nothing but trailers, without `:status`, which is GRPC_HTTP_STATUS. */
export const grpcReplyFields = (reply: Reply): readonly Field[] => [
  ...reply.headers,
  ['content-type', 'application/grpc'],
  ...statusFields(reply),
];

const statusFields = ({ code, policy }: Reply): readonly Field[] => [
  ['grpc-status', String(grpcStatusOf(code))],
  ['grpc-message', percentEncode(message(code, policy))],
  ...(code === 'REDIRECT' ? [] : [['weft-error', code] as const]),
];

function message(code: Reply['code'], policy: string): string {
  const text = code === 'REDIRECT' ? 'the route redirects, which gRPC does not follow' : errors[code as ErrorCode].text;
  return `${code}: ${text}${policy === '' ? '' : ` (${policy})`}`;
}

/**
 * Trailers for a call whose response has begun and cannot be completed: the caller reads the reason where it looks for
 * it, instead of a stream that was reset.
 */
export function grpcTrailers(reply: Reply): Head {
  const head = new Head();
  const fields = statusFields(reply);
  head.startLine = false;
  head.buf = Buffer.from(`${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');
  let start = 0;
  for (const [name, value] of fields) {
    const at = head.count * STRIDE;
    const valueStart = start + name.length + 2;
    head.ids[head.count++] = (nameId as Readonly<Record<string, number>>)[name] ?? 0;
    head.at.set([start, start + name.length, valueStart, valueStart + value.length, valueStart + value.length + 2], at);
    start = valueStart + value.length + 2;
  }
  head.fieldsEnd = start;
  return head;
}
