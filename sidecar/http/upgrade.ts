/** What the mesh itself has to know of the protocols that a connection can go over to. RFC 9110 section 7.8. */
import { hash, randomBytes } from 'node:crypto';
import type { Option } from '../../lib/options.ts';

/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Sec-WebSocket-Key is 16 octets in base64. RFC 6455 section 4.1. */
export const isWebsocketKey = (text: string): boolean => /^[0-9A-Za-z+/]{22}==$/.test(text);

/** A key for a WebSocket whose caller has none because it came over HTTP/2. RFC 8441 section 5. */
export const newWebsocketKey = (): string => randomBytes(16).toString('base64');

/** The Sec-WebSocket-Accept that answers a key. RFC 6455 section 4.2.2. */
export const websocketAccept = (key: string): string => hash('sha1', key + GUID, 'base64');

/** What these carry are requests again, which no policy would see. */
const neverTunnelled = /^(?:h2c?|https?|tls)(?:\/|$)/;
const protocolName = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}(?:\/[!#$%&'*+.^_`|~0-9a-z-]{1,64})?$/;

/** A list such as `websocket,echo/2`, in lower case; undefined when it is none. */
export function parseUpgrades(given: string): ReadonlySet<string> | undefined {
  if (given === 'none') return new Set();
  const list = given.split(',').map((one) => one.trim().toLowerCase());
  return list.every((one) => protocolName.test(one) && !neverTunnelled.test(one)) ? new Set(list) : undefined;
}

/** The setting of the protocols that a caller may go over to. */
export const upgradeOptions = {
  upgrades: {
    describe: 'protocols that callers may go over to with Upgrade, with commas between them, or none',
    value: 'PROTOCOL,…',
    expects: 'none, or a list such as websocket; never h2c, TLS or HTTP, whose requests no policy would see',
    fallback: 'websocket',
    parse: parseUpgrades,
  },
} satisfies Readonly<Record<string, Option<ReadonlySet<string>>>>;
