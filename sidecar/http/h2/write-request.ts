import type { HttpExchange } from '../exchange.ts';
import { forwardedFields } from '../forwarded.ts';
import { droppedOfRequest, isNominated } from '../hop-fields.ts';
import { nameId } from '../message/names.ts';
import type { HeadWriter } from './head-writer.ts';

const known = nameId;
const none: readonly (readonly [string, string])[] = [];

/** Puts the head of a request on the wire: pseudo-header fields, the fields that pass, then the mesh's own. */
export function writeRequest(out: HeadWriter, ex: HttpExchange, stream: number, secure: boolean): void {
  const { head, info, request, context, record } = ex;
  const dropped = droppedOfRequest(ex);
  const tunnel = info.framing === 'tunnel';
  const own = context.direction === 'inbound' ? forwardedFields(ex) : none;
  out.begin(head, roomOf(ex, own));
  if (tunnel) out.text(known[':method'], 'CONNECT');
  else out.octets(known[':method'], head, head.methodStart, head.methodEnd);
  out.text(known[':scheme'], secure ? 'https' : 'http');
  const hostAsCame = ex.rewrittenHost === undefined && info.host >= 0 && (!info.absolute || !head.startLine);
  if (hostAsCame) out.octets(known[':authority'], head, head.valueStart(info.host), head.valueEnd(info.host));
  else out.text(known[':authority'], ex.rewrittenHost ?? (ex.port === 0 ? ex.host : `${ex.host}:${ex.port}`));
  if (ex.rewrittenPath === undefined && !head.pathSuspect && head.buf[head.targetStart] === 0x2f)
    out.octets(known[':path'], head, head.targetStart, head.targetEnd);
  else {
    const path = ex.rewrittenPath ?? ex.path;
    out.text(known[':path'], path + head.text(head.queryStart, head.targetEnd));
  }
  if (tunnel) out.text(known[':protocol'], info.upgrade);
  for (let field = 0; field < head.count; field++) {
    const id = head.ids[field]!;
    if (dropped[id] === 1 || id === known.host) continue;
    if (info.nominated !== null && isNominated(head, field, info.nominated)) continue;
    if (request.edits !== null && request.dropped(field)) continue;
    // RFC 8441 section 5: the handshake of a WebSocket is HTTP/2's own.
    if (tunnel && id === known['sec-websocket-key']) continue;
    out.field(head, field);
  }
  if (request.edits !== null) for (const edit of request.added()) out.edit(edit);
  if (!tunnel && info.lengthField >= 0) out.field(head, info.lengthField);
  else if (!tunnel && info.hasLength) out.text(known['content-length'], String(info.length));
  if (info.expectContinue) out.text(known.expect, '100-continue');
  // The one coding that a hop of HTTP/2 may ask for; gRPC insists on it. RFC 9113 section 8.2.2.
  if (!head.startLine && info.at[known.te]! >= 0) out.text(known.te, 'trailers');
  for (const [name, value] of own) out.named(name, value);
  out.traceparent(record);
  out.text(known['x-request-id'], record.requestId);
  out.end(stream, info.framing === 'none');
}

function roomOf(ex: HttpExchange, own: readonly (readonly [string, string])[]): number {
  const { head } = ex;
  let octets = 1024 + head.targetEnd - head.targetStart + (ex.rewrittenPath ?? ex.path).length;
  octets += (ex.rewrittenHost ?? ex.host).length;
  for (const [name, value] of own) octets += name.length + value.length + 16;
  if (ex.request.edits !== null)
    for (const { name, value } of ex.request.added()) octets += name.length + value!.length + 16;
  return octets;
}
