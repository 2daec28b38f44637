/** How a connection of HTTP/1.1 goes over to another protocol. RFC 9110 section 7.8, RFC 6455 section 4. */
import type { HttpExchange } from '../exchange.ts';
import type { Head } from '../message/head.ts';
import { nameId } from '../message/names.ts';
import type { RequestInfo } from '../message/request.ts';
import type { ResponseInfo } from '../message/response.ts';
import { isWebsocketKey, newWebsocketKey, websocketAccept } from '../upgrade.ts';

const known = nameId;
const WEBSOCKET = 'websocket';

/** A request as far as it is looked at here. */
type Request = Pick<HttpExchange, 'head' | 'info'>;

/** Neither end of a tunnel has to say anything: one that vanished without a word is found by the system. */
export const KEEP_ALIVE_MS = 60_000;

/**
 * Takes note of the protocol that a request asks for, if it is one of `allowed` and everything about it is right. If not,
 * the request is what it is without its Upgrade, as for a server that knows no such protocol.
 */
export function readUpgrade(head: Head, info: RequestInfo, allowed: ReadonlySet<string>): void {
  // From HTTP/1.0 it must be ignored; with content, the octets behind the head would have two meanings.
  if (head.minor === 0 || info.framing !== 'none' || head.text(head.methodStart, head.methodEnd) !== 'GET') return;
  if (info.nominated === null || !info.nominated.includes('upgrade')) return;
  const protocol = onlyValue(head, known.upgrade).toLowerCase();
  if (!allowed.has(protocol)) return;
  if (protocol === WEBSOCKET && !isWebsocketKey(onlyValue(head, known['sec-websocket-key']))) return;
  info.upgrade = protocol;
  info.framing = 'tunnel';
}

/** The key that an endpoint is to answer; '' where the protocol has none. */
export function tunnelKey({ head, info }: Request): string {
  if (info.upgrade !== WEBSOCKET) return '';
  const key = onlyValue(head, known['sec-websocket-key']);
  return isWebsocketKey(key) ? key : newWebsocketKey();
}

/** The fields of our own by which an endpoint is asked. */
export const askFields = (protocol: string, key: string): string =>
  `connection: upgrade\r\nupgrade: ${protocol}\r\n${key === '' ? '' : `sec-websocket-key: ${key}\r\n`}`;

/** The fields of our own by which the caller is told that its wish is granted, whatever the endpoint speaks. */
export function acceptFields({ head, info }: Request): string {
  const own = `connection: upgrade\r\nupgrade: ${info.upgrade}\r\n`;
  if (info.upgrade !== WEBSOCKET) return own;
  return `${own}sec-websocket-accept: ${websocketAccept(onlyValue(head, known['sec-websocket-key']))}\r\n`;
}

/** What is wrong with a 101 response to somebody who asked for `protocol` with `key`; '' for nothing. */
export function switchProblem(head: Head, info: ResponseInfo, protocol: string, key: string): string {
  if (info.nominated === null || !info.nominated.includes('upgrade')) return 'a 101 without Connection: upgrade';
  if (onlyValue(head, known.upgrade).toLowerCase() !== protocol)
    return 'a switch to another protocol than was asked for';
  if (key !== '' && onlyValue(head, known['sec-websocket-accept']) !== websocketAccept(key))
    return 'a Sec-WebSocket-Accept that does not answer the key';
  return '';
}

/** The value of the field of this name; '' unless there is exactly one. */
function onlyValue(head: Head, name: number): string {
  let found = -1;
  for (let field = 0; field < head.count; field++) {
    if (head.ids[field] !== name) continue;
    if (found >= 0) return '';
    found = field;
  }
  return found < 0 ? '' : head.value(found);
}
