import type { Reply } from '../../../policies/policy.ts';
import type { Wire } from '../../net/wire.ts';
import type { HttpExchange, Upstream } from '../exchange.ts';
import { droppedOfResponse, isNominated } from '../hop-fields.ts';
import type { Framing } from '../message/request.ts';
import { STATUS_CODES } from '../message/status.ts';
import { problemBody, replyHead } from '../reply.ts';
import { writeField } from './write-request.ts';

/** How the body goes to this caller. RFC 9112 section 6. */
export function responseFraming(ex: HttpExchange, upstream: Upstream): Framing {
  const { framing } = upstream.info;
  if (framing === 'none' || framing === 'length' || framing === 'tunnel') return framing;
  // An HTTP/1.0 caller knows no chunks: the end of the connection is the end of the body.
  return ex.head.minor === 0 ? 'until-close' : 'streamed';
}

/** Puts the head of the response on the wire: status line, the fields that pass, framing and connection of our own. */
export function writeResponse(
  wire: Wire,
  ex: HttpExchange,
  upstream: Upstream,
  framing: Framing,
  connection: string,
): void {
  const { head, info, fields } = upstream;
  wire.room(head.fieldsEnd - head.fieldsStart + 512);
  // The usual response is one copy from its first octet on.
  let from = head.lineStart;
  if (framing === 'tunnel') {
    wire.writeText('HTTP/1.1 101 Switching Protocols\r\n');
    from = head.fieldsStart;
  } else if (!head.lineIsClean) {
    wire.writeText(`HTTP/1.1 ${head.status} `);
    if (head.startLine) wire.writeOctets(head.buf, head.reasonStart, head.reasonEnd);
    // HTTP/2 has no reasons; people who look at HTTP/1.1 expect one.
    else wire.writeText(STATUS_CODES[head.status] ?? '');
    wire.writeText('\r\n');
    from = head.fieldsStart;
  }
  const keptLength = framing !== 'streamed' && ex.status >= 200 && ex.status !== 204 ? info.lengthField : -1;
  const dropped = droppedOfResponse(upstream);
  for (let field = 0; field < head.count; field++) {
    const id = head.ids[field]!;
    const passes =
      field === keptLength ||
      (dropped[id] === 0 &&
        (info.nominated === null || !isNominated(head, field, info.nominated)) &&
        (fields.edits === null || !fields.dropped(field)));
    if (passes && head.isClean(field)) continue;
    wire.writeOctets(head.buf, from, head.nameStart(field));
    from = head.lineEnd(field);
    if (passes) writeField(wire, head, field);
  }
  const own = connection + (keptLength < 0 ? framingField(ex, upstream, framing) : '');
  // The empty line behind the fields is there only where the response came as HTTP/1.1.
  if (own === '' && fields.edits === null && head.startLine) {
    wire.writeOctets(head.buf, from, head.fieldsEnd + 2);
    return;
  }
  wire.writeOctets(head.buf, from, head.fieldsEnd);
  if (fields.edits !== null) for (const edit of fields.added()) wire.writeText(`${edit.name}: ${edit.value}\r\n`);
  wire.writeText(`${own}\r\n`);
}

function framingField(ex: HttpExchange, { info }: Upstream, framing: Framing): string {
  if (framing === 'length') return `content-length: ${info.length}\r\n`;
  if (framing === 'streamed') return 'transfer-encoding: chunked\r\n';
  // RFC 9110 section 8.6: not in 1xx and 204; in a response to HEAD and in 304 it says what a GET would have had.
  if (framing !== 'none' || ex.status < 200 || ex.status === 204) return '';
  if (ex.method !== 'HEAD' && ex.status !== 304) return 'content-length: 0\r\n';
  return info.statedLength < 0 ? '' : `content-length: ${info.statedLength}\r\n`;
}

/** Puts an answer of the mesh's own on the wire, body included. */
export function writeReply(wire: Wire, ex: HttpExchange, reply: Reply, connection: string): void {
  const body = Buffer.from(problemBody(ex, reply));
  wire.writeText(`${replyHead(reply, body.length)}${connection}\r\n`);
  if (ex.method !== 'HEAD') wire.writeOctets(body, 0, body.length);
}

/** A 1xx response as it came, without what belongs to its connection. */
export function writeInterim(wire: Wire, upstream: Upstream): void {
  const { head } = upstream;
  const dropped = droppedOfResponse(upstream);
  wire.writeText(`HTTP/1.1 ${head.status} ${head.text(head.reasonStart, head.reasonEnd)}\r\n`);
  for (let field = 0; field < head.count; field++) if (dropped[head.ids[field]!] === 0) writeField(wire, head, field);
  wire.writeText('\r\n');
}
