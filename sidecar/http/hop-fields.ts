/** Which fields of a message go on to the next hop, whatever protocol it speaks. RFC 9110 section 7.6.1. */
import type { HttpExchange, Upstream } from './exchange.ts';
import type { Head } from './message/head.ts';
import { type KnownName, LOOKALIKE, nameId, OURS } from './message/names.ts';

/** By number of the name: 1 for what does not pass. */
const dropTable = (names: readonly KnownName[]): Uint8Array => {
  const table = new Uint8Array(LOOKALIKE + 1);
  for (const name of names) table[nameId[name]] = 1;
  return table;
};

const pseudo = [':method', ':scheme', ':authority', ':path', ':status', ':protocol'] as const;

/** Never sent on as they came: of one connection only, framing, or ours to say. */
const hop = [
  ...pseudo,
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'sec-websocket-key',
  'transfer-encoding',
  'content-length',
  'expect',
  'weft-error',
  'x-forwarded-client-cert',
  'traceparent',
  'x-request-id',
] as const;

const requestTable = (names: readonly KnownName[]): Uint8Array => {
  const table = dropTable(names);
  table[LOOKALIKE] = 1;
  table[OURS] = 1;
  return table;
};
const outbound = requestTable(hop);
// The hop from a verified sidecar keeps what its app said; a stranger's word about addresses is not passed on.
const inbound = requestTable([...hop, 'x-forwarded-for']);
const stranger = requestTable([...hop, 'x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'forwarded']);

/** Fields of a request that do not pass. */
export const droppedOfRequest = (ex: HttpExchange): Uint8Array =>
  ex.direction === 'outbound' ? outbound : ex.peer === '' ? stranger : inbound;

const response = [
  ...pseudo,
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'sec-websocket-accept',
  'transfer-encoding',
  'content-length',
] as const;
const ofVerified = dropTable(response);
// Whoever is not a verified sidecar does not speak in the mesh's name.
const ofOthers = dropTable([...response, 'weft-error']);

/** Fields that do not pass where the message is the mesh's own. */
export const droppedOfOwn = ofVerified;

/** Fields of a response that do not pass. */
export const droppedOfResponse = (upstream: Upstream): Uint8Array => (upstream.peer === '' ? ofOthers : ofVerified);

/** The sender has named it in Connection, so that it is for the next hop alone. */
export function isNominated(head: Head, field: number, nominated: readonly string[]): boolean {
  // Host is never dropped because somebody names it.
  if (head.ids[field] === nameId.host) return false;
  return nominated.includes(head.text(head.nameStart(field), head.nameEnd(field)).toLowerCase());
}
