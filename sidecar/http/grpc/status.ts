/** The status of a gRPC call, as trailers say it: those after the body, or a head that is nothing but trailers. */
import { grpcStatus, grpcStatusNames, NO_GRPC_STATUS } from '../../../lib/grpc-status.ts';
import type { Head } from '../message/head.ts';
import { nameId } from '../message/names.ts';

const field = nameId['grpc-status'];

/** Number of the first field of this known name; -1 when there is none. */
export function findField(head: Head, id: number): number {
  const at = head.ids.indexOf(id);
  return at < head.count ? at : -1;
}

/** The number that stands in `grpc-status`, UNKNOWN when that is none of gRPC's, NO_GRPC_STATUS when there is no such field. */
export function readGrpcStatus(head: Head): number {
  const at = findField(head, field);
  return at < 0 ? NO_GRPC_STATUS : parse(head.buf, head.valueStart(at), head.valueEnd(at));
}

function parse(buf: Buffer, start: number, end: number): number {
  const first = buf[start]! - 48;
  if (end - start === 1 && first >= 0 && first <= 9) return first;
  const second = buf[start + 1]! - 48;
  if (end - start !== 2 || first !== 1 || second < 0 || second > 9) return grpcStatus.UNKNOWN;
  const status = 10 + second;
  return status < grpcStatusNames.length ? status : grpcStatus.UNKNOWN;
}

const utf8 = new TextEncoder();

/** `grpc-message`: octets of UTF-8; all but printable ASCII, and `%` itself, as `%XX`. */
export function percentEncode(text: string): string {
  if (!/[^ -$&-~]/.test(text)) return text;
  let encoded = '';
  for (const octet of utf8.encode(text))
    encoded +=
      octet >= 0x20 && octet <= 0x7e && octet !== 0x25
        ? String.fromCharCode(octet)
        : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
}
