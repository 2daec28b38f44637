import type { Wire } from '../../net/wire.ts';
import type { HttpExchange } from '../exchange.ts';
import type { Head } from '../message/head.ts';
import { LOOKALIKE, nameId, OURS } from '../message/names.ts';
import { writeTrace } from './write-trace.ts';

const known = nameId;
const dropTable = (names: readonly (keyof typeof nameId)[]): Uint8Array => {
  const table = new Uint8Array(LOOKALIKE + 1);
  table[LOOKALIKE] = 1;
  table[OURS] = 1;
  for (const name of names) table[known[name]] = 1;
  return table;
};

/** Fields that are never sent on as they came: of one connection only, framing, or ours to say. RFC 9110 section 7.6.1. */
const hop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'transfer-encoding',
  'content-length',
  'expect',
  'weft-error',
  'x-forwarded-client-cert',
  'traceparent',
  'x-request-id',
] as const;
const dropOutbound = dropTable(hop);
// The hop from a verified sidecar keeps what its app said; a stranger's word about addresses is not passed on.
const dropInbound = dropTable([...hop, 'x-forwarded-for']);
const dropStranger = dropTable([...hop, 'x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'forwarded']);

const chunkHeads = Array.from({ length: 4096 }, (_, size) => `${size.toString(16)}\r\n`);
/** Puts one chunk on the wire, its size in lower-case hexadecimal and without extension. RFC 9112 section 7.1. */
export function writeChunk(wire: Wire, buf: Buffer, start: number, end: number): void {
  const size = end - start;
  wire.writeText(chunkHeads[size] ?? `${size.toString(16)}\r\n`);
  wire.writeOctets(buf, start, end);
  wire.writeText('\r\n');
}

/** Puts the head of the request on the wire: start line, the fields that pass, then the mesh's own. */
export function writeRequest(wire: Wire, ex: HttpExchange): void {
  const { head, info, context } = ex;
  wire.room(head.fieldsEnd + 1024);
  const verified = ex.peer !== '';
  const inbound = context.direction === 'inbound';
  const drop = inbound ? (verified ? dropInbound : dropStranger) : dropOutbound;
  const hostAsCame = ex.rewrittenHost === undefined && info.host >= 0 && !info.absolute;
  const targetAsCame = ex.rewrittenPath === undefined && !head.pathSuspect && head.buf[head.targetStart] === 0x2f;
  // The usual request is one copy from its first octet on.
  let from = head.methodStart;
  if (!head.startLine || !targetAsCame || !hostAsCame || head.minor === 0) {
    writeStartLine(wire, ex, targetAsCame, hostAsCame);
    from = head.fieldsStart;
  }
  copyFields(wire, ex, drop, from, hostAsCame);
  writeOwnFields(wire, ex, inbound, verified);
  writeTrace(wire, context.tracer, ex.record);
}

function writeStartLine(wire: Wire, ex: HttpExchange, targetAsCame: boolean, hostAsCame: boolean): void {
  const { head } = ex;
  if (targetAsCame && head.startLine) wire.writeOctets(head.buf, head.methodStart, head.targetEnd);
  else {
    wire.writeText(`${ex.method} ${ex.rewrittenPath ?? ex.path}`);
    if (head.queryStart < head.targetEnd) wire.writeOctets(head.buf, head.queryStart, head.targetEnd);
  }
  wire.writeText(hostAsCame ? ' HTTP/1.1\r\n' : ` HTTP/1.1\r\nhost: ${ex.rewrittenHost ?? authorityOf(ex)}\r\n`);
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

export function isNominated(head: Head, field: number, nominated: readonly string[]): boolean {
  // Host is never dropped because somebody names it.
  if (head.ids[field] === known.host) return false;
  return nominated.includes(head.text(head.nameStart(field), head.nameEnd(field)).toLowerCase());
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
    wire.writeText(forwardedFields(ex.downstream, ex.context.spiffeId(), hops));
  } else wire.writeText(ex.downstream.forwarded);
}

/**
 * What the app is told of its caller. Over the mesh the caller is the other sidecar's app: what that said of those before
 * it (`earlier`) is kept; a stranger's word is not.
 */
export function forwardedFields(
  caller: { readonly peer: string; readonly address: string },
  own: string,
  earlier = '',
): string {
  if (caller.peer === '') return `x-forwarded-for: ${caller.address}\r\nx-forwarded-proto: http\r\n`;
  const hops = earlier === '' ? caller.address : `${earlier}, ${caller.address}`;
  return `x-forwarded-for: ${hops}\r\nx-forwarded-client-cert: By=${own};URI=${caller.peer}\r\n`;
}
