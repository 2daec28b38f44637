import type { Wire } from '../../net/wire.ts';
import type { HttpExchange } from '../exchange.ts';
import { forwardedText } from '../forwarded.ts';
import { droppedOfRequest, isNominated } from '../hop-fields.ts';
import type { Head } from '../message/head.ts';
import { nameId } from '../message/names.ts';
import { writeTrace } from './write-trace.ts';

const known = nameId;
const chunkHeads = Array.from({ length: 4096 }, (_, size) => `${size.toString(16)}\r\n`);
/** Puts one chunk on the wire, its size in lower-case hexadecimal and without extension. RFC 9112 section 7.1. */
export function writeChunk(wire: Wire, buf: Buffer, start: number, end: number): void {
  const size = end - start;
  wire.writeText(chunkHeads[size] ?? `${size.toString(16)}\r\n`);
  wire.writeOctets(buf, start, end);
  wire.writeText('\r\n');
}

/**
 * Puts the head of the request on the wire: start line, the fields that pass, then the mesh's own. `tunnelFields`: those
 * that ask for a tunnel.
 */
export function writeRequest(wire: Wire, ex: HttpExchange, tunnelFields: string): void {
  const { head, info, context } = ex;
  wire.room(head.fieldsEnd + 1024);
  const verified = ex.peer !== '';
  const inbound = context.direction === 'inbound';
  const hostAsCame = ex.rewrittenHost === undefined && info.host >= 0 && !info.absolute;
  const targetAsCame = ex.rewrittenPath === undefined && !head.pathSuspect && head.buf[head.targetStart] === 0x2f;
  // The usual request is one copy from its first octet on.
  let from = head.methodStart;
  if (!head.startLine || !targetAsCame || !hostAsCame || head.minor === 0) {
    writeStartLine(wire, ex, targetAsCame, hostAsCame);
    from = head.fieldsStart;
  }
  copyFields(wire, ex, droppedOfRequest(ex), from, hostAsCame);
  if (tunnelFields !== '') wire.writeText(tunnelFields);
  writeOwnFields(wire, ex, inbound, verified);
  writeTrace(wire, context.tracer, ex.record);
}

function writeStartLine(wire: Wire, ex: HttpExchange, targetAsCame: boolean, hostAsCame: boolean): void {
  const { head } = ex;
  if (targetAsCame && head.startLine) wire.writeOctets(head.buf, head.methodStart, head.targetEnd);
  else if (targetAsCame && ex.info.framing !== 'tunnel') {
    wire.writeOctets(head.buf, head.methodStart, head.methodEnd);
    wire.writeText(' ');
    wire.writeOctets(head.buf, head.targetStart, head.targetEnd);
  } else {
    wire.writeText(`${ex.method} ${ex.rewrittenPath ?? ex.path}`);
    if (head.queryStart < head.targetEnd) wire.writeOctets(head.buf, head.queryStart, head.targetEnd);
  }
  if (hostAsCame) wire.writeText(' HTTP/1.1\r\n');
  else {
    wire.writeText(' HTTP/1.1\r\nhost: ');
    wire.writeText(ex.rewrittenHost ?? authorityOf(ex));
    wire.writeText('\r\n');
  }
}

const authorityOf = (ex: HttpExchange): string => (ex.port === 0 ? ex.host : `${ex.host}:${ex.port}`);

/** Runs of fields that pass are copied at once: their octets have been checked one by one. */
function copyFields(wire: Wire, ex: HttpExchange, drop: Uint8Array, start: number, keepHost: boolean): void {
  const { head, info, request } = ex;
  let from = start;
  for (let field = 0; field < head.count; field++) {
    const id = head.ids[field]!;
    const passes =
      field === info.lengthField ||
      (drop[id] === 0 &&
        (keepHost || id !== known.host) &&
        (info.nominated === null || !isNominated(head, field, info.nominated)) &&
        (request.edits === null || !request.dropped(field)));
    if (passes && head.isClean(field)) continue;
    wire.writeOctets(head.buf, from, head.nameStart(field));
    from = head.lineEnd(field);
    if (passes) writeField(wire, head, field);
  }
  wire.writeOctets(head.buf, from, head.fieldsEnd);
  if (request.edits !== null) for (const edit of request.added()) wire.writeText(`${edit.name}: ${edit.value}\r\n`);
}

/** Writes one field in canonical form, for lines with other white space. */
export function writeField(wire: Wire, head: Head, field: number): void {
  wire.writeOctets(head.buf, head.nameStart(field), head.nameEnd(field));
  wire.writeText(': ');
  wire.writeOctets(head.buf, head.valueStart(field), head.valueEnd(field));
  wire.writeText('\r\n');
}

function writeOwnFields(wire: Wire, ex: HttpExchange, inbound: boolean, verified: boolean): void {
  const { info } = ex;
  if (info.framing === 'streamed') wire.writeText('transfer-encoding: chunked\r\n');
  else if (info.hasLength && info.lengthField < 0) wire.writeText(`content-length: ${info.length}\r\n`);
  if (info.expectContinue) wire.writeText('expect: 100-continue\r\n');
  if (!inbound) return;
  const came = info.at[known['x-forwarded-for']]!;
  if (verified && came >= 0) {
    const hops = ex.request.all('x-forwarded-for').join(', ');
    wire.writeText(forwardedText(ex.downstream, ex.context.spiffeId(), hops));
  } else wire.writeText(ex.downstream.forwarded);
}
