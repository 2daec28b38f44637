/** The static table of HPACK (RFC 7541 appendix A), with its fields as ready lines. */
import { hashStep, identify, OURS } from '../../message/names.ts';
import { lower } from '../../message/octets.ts';
import { type Viewed, viewed } from '../../message/viewed.ts';
import { hashName } from './hash.ts';

/** A row of a table says: start of the line, its length, length of the name, and the bits below. */
export const ROW = 4;
/** Low bits of the last number of a row: the known-name number. */
export const ID = 0xff;
/** The name may be sent on. */
export const NAME_VALID = 0x100;
/** Name and value may be sent on. */
export const LINE_VALID = 0x200;

const fields = [
  ':authority: ',
  ':method: GET',
  ':method: POST',
  ':path: /',
  ':path: /index.html',
  ':scheme: http',
  ':scheme: https',
  ':status: 200',
  ':status: 204',
  ':status: 206',
  ':status: 304',
  ':status: 400',
  ':status: 404',
  ':status: 500',
  'accept-charset: ',
  'accept-encoding: gzip, deflate',
  'accept-language: ',
  'accept-ranges: ',
  'accept: ',
  'access-control-allow-origin: ',
  'age: ',
  'allow: ',
  'authorization: ',
  'cache-control: ',
  'content-disposition: ',
  'content-encoding: ',
  'content-language: ',
  'content-length: ',
  'content-location: ',
  'content-range: ',
  'content-type: ',
  'cookie: ',
  'date: ',
  'etag: ',
  'expect: ',
  'expires: ',
  'from: ',
  'host: ',
  'if-match: ',
  'if-modified-since: ',
  'if-none-match: ',
  'if-range: ',
  'if-unmodified-since: ',
  'last-modified: ',
  'link: ',
  'location: ',
  'max-forwards: ',
  'proxy-authenticate: ',
  'proxy-authorization: ',
  'range: ',
  'referer: ',
  'refresh: ',
  'retry-after: ',
  'server: ',
  'set-cookie: ',
  'strict-transport-security: ',
  'transfer-encoding: ',
  'user-agent: ',
  'vary: ',
  'via: ',
  'www-authenticate: ',
];

/** Indices of the static table are 1 … STATIC. */
export const STATIC = fields.length;

const text = fields.map((field) => `${field}\r\n`).join('');
/** The lines of the static table. */
export const staticLines: Viewed = viewed(text.length);
staticLines.buf.fill(0).write(text, 'latin1');

/** Its rows; the row of index i begins at i * ROW. */
export const staticRows = new Uint16Array((STATIC + 1) * ROW);
/** First index that has the known name, 0 for names that the static table does not have. */
export const staticOfId = new Uint8Array(OURS);
/** By the first index of a name: the last one. They stand in a row. */
const lastOfName = new Uint8Array(STATIC + 1);

const NAME_SLOTS = 256;
const nameSlots = new Uint8Array(NAME_SLOTS);

/** First index with the name at [start, end), in any case, whose hash is `hash`; 0 when the static table has none. */
export function staticName(buf: Uint8Array, start: number, end: number, hash: number): number {
  for (let slot = hash & (NAME_SLOTS - 1); ; slot = (slot + 1) & (NAME_SLOTS - 1)) {
    const index = nameSlots[slot]!;
    if (index === 0) return 0;
    const row = index * ROW;
    if (staticRows[row + 2] !== end - start) continue;
    const from = staticRows[row]! - start;
    let p = start;
    while (p < end && lower[buf[p]!] === staticLines.buf[from + p]) p++;
    if (p === end) return index;
  }
}

/** Index with the name of `first`, which is the first that has it, and the value at [start, end); 0 for none. */
export function staticField(first: number, buf: Uint8Array, start: number, end: number): number {
  for (let index = first; index <= lastOfName[first]!; index++) {
    const row = index * ROW;
    const from = staticRows[row]! + staticRows[row + 2]! + 2;
    if (staticRows[row]! + staticRows[row + 1]! - 2 - from !== end - start) continue;
    let p = start;
    while (p < end && buf[p] === staticLines.buf[from - start + p]) p++;
    if (p === end) return index;
  }
  return 0;
}

/** The same for a value as text. */
export function staticText(first: number, value: string): number {
  for (let index = first; index <= lastOfName[first]!; index++) {
    const row = index * ROW;
    const from = staticRows[row]! + staticRows[row + 2]! + 2;
    if (staticRows[row]! + staticRows[row + 1]! - 2 - from !== value.length) continue;
    let i = 0;
    while (i < value.length && value.charCodeAt(i) === staticLines.buf[from + i]) i++;
    if (i === value.length) return index;
  }
  return 0;
}

{
  let start = 0;
  let first = 1;
  fields.forEach((field, place) => {
    const index = place + 1;
    const nameLength = field.indexOf(':', 1);
    const { buf } = staticLines;
    let hash = 0;
    for (let i = 0; i < nameLength; i++) hash = hashStep(hash, field.charCodeAt(i));
    const id = identify(buf, start, start + nameLength, hash);
    staticRows.set([start, field.length + 2, nameLength, id | NAME_VALID | LINE_VALID], index * ROW);
    const name = hashName(buf, start, start + nameLength);
    const same = staticName(buf, start, start + nameLength, name);
    if (same === 0) {
      first = index;
      if (id !== 0) staticOfId[id] = index;
      let slot = name & (NAME_SLOTS - 1);
      while (nameSlots[slot] !== 0) slot = (slot + 1) & (NAME_SLOTS - 1);
      nameSlots[slot] = index;
    }
    lastOfName[first] = index;
    start += field.length + 2;
  });
}

/** By index: 1 for fields that no table may have (RFC 7541 section 7.1.3), because it can be probed for what is in it. */
export const isSecret = Uint8Array.from({ length: STATIC + 1 }, (_, index) =>
  ['authorization: ', 'cookie: ', 'set-cookie: ', 'proxy-authorization: '].includes(fields[index - 1] ?? '') ? 1 : 0,
);
