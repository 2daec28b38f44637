/**
 * The field names that the data path itself acts on, each with a small number, so that a head is scanned without
 * making strings. Found by a rolling hash over the lower-cased name, then compared octet by octet.
 */
import { lower } from './octets.ts';

const known = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'authorization',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-client-cert',
  'x-real-ip',
  'forwarded',
  'http2-settings',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-request-id',
  'weft-error',
  'retry-after',
  'cookie',
  'set-cookie',
  'content-type',
  'grpc-timeout',
  'grpc-status',
  'grpc-message',
  'sec-websocket-key',
  'sec-websocket-accept',
  // Pseudo-header fields of HTTP/2 (RFC 9113 section 8.3): no name of HTTP/1.1 can begin with a colon.
  ':method',
  ':scheme',
  ':authority',
  ':path',
  ':status',
  ':protocol',
] as const;
export type KnownName = (typeof known)[number];

/** Number of each known name; 0 is no known name. */
export const nameId = Object.fromEntries(known.map((name, index) => [name, index + 1])) as Record<KnownName, number>;

/** Names that begin with `x-weft-` or `x-envoy-`: between proxies only, removed from whatever comes from outside. */
export const OURS = known.length + 1;
/** A known name spelled with `_` for `-`: some servers take it for the real one, so it never passes. */
export const LOOKALIKE = known.length + 2;

const names: readonly (Buffer | undefined)[] = [undefined, ...known.map((name) => Buffer.from(name, 'latin1'))];

/** The octets of a known name. */
export const nameOctets = (id: number): Buffer => names[id]!;

/** One step of the hash. */
export const hashStep = (hash: number, octet: number): number => (Math.imul(hash, 31) + octet) | 0;

const hashOf = (name: string): number => {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
  return hash;
};

// Open addressing on the low bits; grown until no two known names share a slot, so that a look-up is one comparison.
function perfectTable(): { mask: number; slots: Uint8Array } {
  for (let size = 64; ; size *= 2) {
    const slots = new Uint8Array(size);
    const clash = known.some((name) => {
      const slot = (hashOf(name) >>> 3) & (size - 1);
      if (slots[slot] !== 0) return true;
      slots[slot] = nameId[name];
      return false;
    });
    if (!clash) return { mask: size - 1, slots };
  }
}
const { mask, slots } = perfectTable();

/** The number of the name at [start, end) whose hash (over lower case, `_` taken for `-`) is `hash`; 0 for others. */
export function identify(buf: Uint8Array, start: number, end: number, hash: number): number {
  const id = slots[(hash >>> 3) & mask]!;
  if (id !== 0) {
    const name = names[id]!;
    if (name.length === end - start) {
      let exact = true;
      let i = 0;
      for (; i < name.length; i++) {
        const octet = lower[buf[start + i]!]!;
        if (octet === name[i]) continue;
        if (octet !== 0x5f || name[i] !== 0x2d) break;
        exact = false;
      }
      if (i === name.length) return exact ? id : LOOKALIKE;
    }
  }
  return isOurs(buf, start, end) ? OURS : 0;
}

// Names by which proxies talk among themselves: from an app or a stranger they are always an attempt at something.
const internal = ['x-weft-', 'x-envoy-'].map((prefix) => Buffer.from(prefix));

function isOurs(buf: Uint8Array, start: number, end: number): boolean {
  if (lower[buf[start]!] !== 0x78) return false;
  return internal.some((prefix) => {
    if (end - start < prefix.length) return false;
    for (let i = 1; i < prefix.length; i++) {
      const octet = lower[buf[start + i]!]!;
      if (octet !== prefix[i] && !(octet === 0x5f && prefix[i] === 0x2d)) return false;
    }
    return true;
  });
}
