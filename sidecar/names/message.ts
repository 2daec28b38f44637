/** DNS messages, as far as a server of a few names needs them. RFC 1035 section 4, RFC 6891. Does no I/O. */

export const RCODE = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5, badVersion: 16 };
export const TYPE = { a: 1, soa: 6, opt: 41, any: 255 };
export const CLASS_IN = 1;

const headerOctets = 12;
const longestName = 255;
const longestLabel = 63;
/** What everybody takes over UDP. RFC 1035 section 4.2.1. */
const smallest = 512;
/** What we say that we take. */
const ownSize = 1232;

const FLAG = { response: 0x8000, authoritative: 0x400, truncated: 0x200, wanted: 0x100, available: 0x80 };

/** A question that somebody asks. */
export interface Query {
  readonly id: number;
  /** From the left, in lower case; none for the root. May have any octets, as Latin-1. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly class: number;
  /** The question section, as it came. */
  readonly question: Buffer;
  readonly recursionDesired: boolean;
  /** undefined: the asker does not say that it knows EDNS. */
  readonly edns: { readonly version: number } | undefined;
  /** Octets that the asker takes over UDP. */
  readonly udpSize: number;
}

/** A message of which only this is known, and that it cannot be answered. */
export interface Unanswerable {
  readonly id: number;
  readonly opcode: number;
  readonly rcode: number;
}

/** Reads what came to a server. undefined: nothing to answer, since it is no request. Total: any octets will do. */
export function parseQuery(octets: Buffer): Query | Unanswerable | undefined {
  if (octets.length < headerOctets) return undefined;
  const id = octets.readUInt16BE(0);
  const flags = octets.readUInt16BE(2);
  if ((flags & FLAG.response) !== 0) return undefined;
  const opcode = (flags >>> 11) & 0xf;
  if (opcode !== 0) return { id, opcode, rcode: RCODE.notImplemented };
  const malformed = { id, opcode, rcode: RCODE.malformed };
  if (octets.readUInt16BE(4) !== 1) return malformed;
  const labels: string[] = [];
  const end = readQuestionName(octets, labels);
  if (end === undefined || end + 4 > octets.length) return malformed;
  const options = readEdns(octets, end + 4);
  if (options === 'malformed') return malformed;
  return {
    id,
    labels,
    type: octets.readUInt16BE(end),
    class: octets.readUInt16BE(end + 2),
    question: octets.subarray(headerOctets, end + 4),
    recursionDesired: (flags & FLAG.wanted) !== 0,
    edns: options && { version: options.version },
    udpSize: Math.max(smallest, options?.size ?? smallest),
  };
}

/** The end of the name. There is nothing before it that a compressed one could point to, so that none is taken. */
function readQuestionName(octets: Buffer, labels: string[]): number | undefined {
  let at = headerOctets;
  for (;;) {
    const length = octets[at];
    if (length === undefined || length > longestLabel || at + length - headerOctets >= longestName) return undefined;
    at++;
    if (length === 0) return at;
    if (at + length > octets.length) return undefined;
    labels.push(lowerCase(octets.toString('latin1', at, at + length)));
    at += length;
  }
}

/** ASCII only: nothing else has two cases in DNS. */
const lowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** What the records behind the question say of EDNS; they are walked, not understood. */
function readEdns(octets: Buffer, from: number): { version: number; size: number } | undefined | 'malformed' {
  const before = octets.readUInt16BE(6) + octets.readUInt16BE(8);
  const count = before + octets.readUInt16BE(10);
  let found: { version: number; size: number } | undefined;
  let at = from;
  // Each one takes octets of the message, so that the count alone cannot keep us here.
  for (let n = 0; n < count; n++) {
    const root = octets[at] === 0;
    const fields = skipName(octets, at);
    if (fields === undefined || fields + 10 > octets.length) return 'malformed';
    at = fields + 10 + octets.readUInt16BE(fields + 8);
    if (at > octets.length) return 'malformed';
    if (octets.readUInt16BE(fields) !== TYPE.opt) continue;
    if (n < before || !root || found !== undefined) return 'malformed';
    found = { size: octets.readUInt16BE(fields + 2), version: octets[fields + 5]! };
  }
  return found;
}

/** The end of a name, which a pointer may be; it is not followed. */
function skipName(octets: Buffer, from: number): number | undefined {
  let at = from;
  for (;;) {
    const length = octets[at];
    if (length === undefined || at - from > longestName) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > longestLabel) return undefined;
    at += length + 1;
  }
}

/** What is answered. */
export interface Answer {
  readonly rcode: number;
  /** Octets of an IPv4 address. */
  readonly address?: Buffer;
  readonly ttlSeconds: number;
  /** The zone that knows there is no more to say, for whoever remembers that. RFC 2308. */
  readonly zone?: string;
  readonly authoritative: boolean;
}

export function writeAnswer(query: Query, { rcode, address, ttlSeconds, zone, authoritative }: Answer): Buffer {
  const flags =
    FLAG.response |
    FLAG.available |
    (authoritative ? FLAG.authoritative : 0) |
    (query.recursionDesired ? FLAG.wanted : 0) |
    (rcode & 0xf);
  const parts = [
    header(query.id, flags, 1, address ? 1 : 0, zone === undefined ? 0 : 1, query.edns ? 1 : 0),
    query.question,
  ];
  // The name is that of the question, 12 octets from the beginning.
  if (address !== undefined)
    parts.push(record(Buffer.from([0xc0, headerOctets]), TYPE.a, CLASS_IN, ttlSeconds, address));
  if (zone !== undefined) {
    const name = nameOctets([zone]);
    const times = Buffer.alloc(20);
    for (const [n, value] of [1, 3600, 600, 86_400, ttlSeconds].entries()) times.writeUInt32BE(value, n * 4);
    const data = Buffer.concat([name, nameOctets(['hostmaster', zone]), times]);
    parts.push(record(name, TYPE.soa, CLASS_IN, ttlSeconds, data));
  }
  // The upper part of a long code stands where other records have their time to live.
  if (query.edns) parts.push(record(nameOctets([]), TYPE.opt, ownSize, (rcode >>> 4) * 2 ** 24, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

export const writeUnanswerable = ({ id, opcode, rcode }: Unanswerable): Buffer =>
  header(id, FLAG.response | (opcode << 11) | rcode, 0, 0, 0, 0);

/** What is said over UDP in the place of an answer that is too long: ask again over TCP. */
export const writeTruncated = (query: Query): Buffer =>
  Buffer.concat([
    header(
      query.id,
      FLAG.response | FLAG.truncated | FLAG.available | (query.recursionDesired ? FLAG.wanted : 0),
      ...([1, 0, 0, 0] as const),
    ),
    query.question,
  ]);

/** A question of our own. */
export function writeQuestion(id: number, labels: readonly string[], type: number): Buffer {
  const question = Buffer.alloc(4);
  question.writeUInt16BE(type, 0);
  question.writeUInt16BE(CLASS_IN, 2);
  return Buffer.concat([header(id, FLAG.wanted, 1, 0, 0, 0), nameOctets(labels), question]);
}

/** The same message under another id. */
export function withId(octets: Buffer, id: number): Buffer {
  const copy = Buffer.from(octets);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** The code of an answer to this question under this id; undefined: it is none. Names are the same in either case. */
export function answersTo(octets: Buffer, id: number, question: Buffer): number | undefined {
  if (octets.length < headerOctets || octets.readUInt16BE(0) !== id) return undefined;
  const flags = octets.readUInt16BE(2);
  if ((flags & FLAG.response) === 0 || octets.readUInt16BE(4) !== 1) return undefined;
  const name = question.length - 4;
  const same = octets.subarray(headerOctets, headerOctets + question.length);
  if (same.length < question.length || !same.subarray(name).equals(question.subarray(name))) return undefined;
  const text = (part: Buffer): string => lowerCase(part.toString('latin1', 0, name));
  return text(same) === text(question) ? flags & 0xf : undefined;
}

function header(id: number, flags: number, ...counts: readonly [number, number, number, number]): Buffer {
  const octets = Buffer.alloc(headerOctets);
  for (const [n, value] of [id, flags, ...counts].entries()) octets.writeUInt16BE(value, n * 2);
  return octets;
}

function record(name: Buffer, type: number, of: number, ttl: number, data: Buffer): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(of, 2);
  fields.writeUInt32BE(ttl, 4);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fields, data]);
}

const nameOctets = (labels: readonly string[]): Buffer =>
  Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')),
    Buffer.alloc(1),
  ]);
