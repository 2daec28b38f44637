import type { Reply } from '../../../policies/policy.ts';
import type { HttpExchange, Upstream } from '../exchange.ts';
import { droppedOfResponse, isNominated } from '../hop-fields.ts';
import type { Head } from '../message/head.ts';
import { nameId } from '../message/names.ts';
import { problemBody, replyFields } from '../reply.ts';
import type { HeadWriter } from './head-writer.ts';

const known = nameId;

/** Puts the head of a response on the wire: status, the fields that pass, and its length where it has one. */
export function writeResponse(out: HeadWriter, ex: HttpExchange, upstream: Upstream, stream: number): void {
  const { head, info, fields } = upstream;
  const dropped = droppedOfResponse(upstream);
  const last = info.framing === 'none';
  let room = 256;
  if (fields.edits !== null) for (const { name, value } of fields.added()) room += name.length + value!.length + 16;
  out.begin(head, room);
  // RFC 8441 section 5: where HTTP/1.1 switches protocols, HTTP/2 says 200.
  out.text(known[':status'], info.framing === 'tunnel' ? '200' : String(ex.status));
  for (let field = 0; field < head.count; field++) {
    if (dropped[head.ids[field]!] === 1) continue;
    if (info.framing === 'tunnel' && head.ids[field] === known['sec-websocket-accept']) continue;
    if (info.nominated !== null && isNominated(head, field, info.nominated)) continue;
    if (fields.edits !== null && fields.dropped(field)) continue;
    out.field(head, field);
  }
  if (fields.edits !== null) for (const edit of fields.added()) out.edit(edit);
  // RFC 9110 section 8.6: in a response to HEAD and in 304 it says what a GET would have had.
  const length = info.framing === 'length' ? info.length : info.framing === 'none' ? info.statedLength : -1;
  if (length >= 0 && ex.status >= 200 && ex.status !== 204) {
    if (info.lengthField >= 0) out.field(head, info.lengthField);
    else out.text(known['content-length'], String(length));
  }
  out.end(stream, last);
}

/** A 1xx response as it came, without what belongs to its connection. */
export function writeInterim(out: HeadWriter, upstream: Upstream, stream: number): void {
  const { head } = upstream;
  const dropped = droppedOfResponse(upstream);
  out.begin(head, 256);
  out.text(known[':status'], String(head.status));
  for (let field = 0; field < head.count; field++) if (dropped[head.ids[field]!] === 0) out.field(head, field);
  out.end(stream, false);
}

/** The fields behind a body. Of what may stand there nothing is the mesh's, nor a connection's. RFC 9110 section 6.5.1. */
export function writeTrailers(out: HeadWriter, trailers: Head, dropped: Uint8Array, stream: number): void {
  out.begin(trailers, 256);
  for (let field = 0; field < trailers.count; field++)
    if (dropped[trailers.ids[field]!] === 0) out.field(trailers, field);
  out.end(stream, true);
}

/** The head of an answer of the mesh's own. Gives its body, empty where none follows. */
export function writeReply(out: HeadWriter, ex: HttpExchange, reply: Reply, stream: number): Buffer {
  const body = Buffer.from(problemBody(ex, reply));
  const fields = [...replyFields(reply), ['content-length', String(body.length)] as const];
  const last = ex.method === 'HEAD' || body.length === 0;
  writeFields(out, reply.status, fields, stream, last);
  return last ? Buffer.alloc(0) : body;
}

/** A head of the mesh's own. `last`: nothing follows. */
export function writeFields(
  out: HeadWriter,
  status: number,
  fields: readonly (readonly [name: string, value: string])[],
  stream: number,
  last: boolean,
): void {
  let room = 256;
  for (const [name, value] of fields) room += name.length + value.length + 16;
  out.begin(undefined, room);
  out.text(known[':status'], String(status));
  for (const [name, value] of fields) out.named(name, value);
  out.end(stream, last);
}
