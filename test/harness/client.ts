import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Address } from '../../lib/address.ts';
import { type Octets, octetsOf } from './octets.ts';

/** One response as a strict reader of RFC 9112 sees it. */
export interface RawResponse {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  /** Lower-case names, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Value of the first field of this name. */
  get(name: string): string | undefined;
  readonly body: string;
  /** False: the connection ended before the body did. */
  readonly complete: boolean;
}

/** A client that sends what it is told, octet by octet. */
export interface RawClient extends AsyncDisposable {
  readonly socket: Socket;
  readonly octets: Octets;
  /** Resolves when the kernel has taken it. */
  send(octets: string | Buffer): Promise<void>;
  /** The next final response; `method` decides whether it has a body. 1xx responses before it are put into `interim`. */
  response(method?: string): Promise<RawResponse>;
  readonly interim: RawResponse[];
  /** Resolves when the other end has closed or broken the connection. */
  over(): Promise<void>;
  /** Says that no more will come; goes on reading. */
  half(): void;
  /** Breaks the connection off. */
  reset(): void;
}

/** Of TLS as well, though its types do not know it. */
const halfOpen = { allowHalfOpen: true };

export async function rawClient(address: Address, tls?: ConnectionOptions): Promise<RawClient> {
  const where = 'path' in address ? { path: address.path } : { host: address.host, port: address.port };
  const socket: Socket =
    tls === undefined
      ? connect({ ...where, ...halfOpen, noDelay: true })
      : connectTls({ ...where, ...tls, ...halfOpen, checkServerIdentity: () => undefined });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  const octets = octetsOf(socket);
  const interim: RawResponse[] = [];
  return {
    socket,
    octets,
    interim,
    send: (data) =>
      new Promise((resolve, reject) => {
        socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
    async response(method = 'GET') {
      for (;;) {
        const head = await octets.until('a response head', (text) => readHead(text));
        const { response, length } = await octets.until('a response', (text, over) =>
          readBody(head, text, method, over),
        );
        octets.drop(length);
        if (response.status >= 200) return response;
        interim.push(response);
      }
    },
    over: () => octets.until('the end', (_, over) => over || undefined).then(() => undefined),
    half: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    async [Symbol.asyncDispose]() {
      if (octets.closed) return;
      const gone = once(socket, 'close');
      socket.destroy();
      await gone;
    },
  };
}

/** One request on a connection of its own. */
export async function send(
  address: Address,
  given: {
    readonly method?: string;
    readonly target?: string;
    readonly host?: string;
    readonly fields?: readonly string[];
    readonly body?: string;
  } = {},
): Promise<RawResponse> {
  await using client = await rawClient(address);
  await client.send(requestText(given));
  return await client.response(given.method);
}

/** A request in full. */
export function requestText({
  method = 'GET',
  target = '/',
  host = 'web',
  fields = [],
  body,
}: Parameters<typeof send>[1] & object = {}): string {
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${host}`, ...fields];
  if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body, 'latin1')}`);
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

interface ReadHead {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly length: number;
}

function readHead(text: string): ReadHead | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [line = '', ...rest] = text.slice(0, end).split('\r\n');
  const found = /^(HTTP\/1\.[01]) ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)$/.exec(line);
  if (found === null) throw new Error(`not a status line: ${JSON.stringify(line)}`);
  const fields = rest.map((field) => {
    const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(field);
    if (parts === null) throw new Error(`not a field: ${JSON.stringify(field)}`);
    return [parts[1]!.toLowerCase(), parts[2]!.replace(/[ \t]+$/, '')] as const;
  });
  return { version: found[1]!, status: Number(found[2]), reason: found[3]!, fields, length: end + 4 };
}

function readBody(
  { length: headLength, ...head }: ReadHead,
  text: string,
  method: string,
  over: boolean,
): { readonly response: RawResponse; readonly length: number } | undefined {
  const get = (name: string): string | undefined => head.fields.find(([other]) => other === name)?.[1];
  const made = (body: string, length: number, complete = true) => ({
    response: { ...head, get, body, complete },
    length: headLength + length,
  });
  const rest = text.slice(headLength);
  if (method === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304) return made('', 0);
  const stated = get('content-length');
  if (get('transfer-encoding') !== undefined) {
    if (get('transfer-encoding') !== 'chunked' || stated !== undefined) throw new Error('two framings in one response');
    const { body, length, done } = dechunk(rest);
    return done ? made(body, length) : over ? made(body, rest.length, false) : undefined;
  }
  if (stated === undefined) return over ? made(rest, rest.length) : undefined;
  if (!/^[0-9]+$/.test(stated)) throw new Error(`not a length: ${stated}`);
  const length = Number(stated);
  if (rest.length >= length) return made(rest.slice(0, length), length);
  return over ? made(rest, rest.length, false) : undefined;
}

/** Chunks as they may be: sizes in lower-case hexadecimal, no extensions, no trailers. */
export function dechunk(text: string): { readonly body: string; readonly length: number; readonly done: boolean } {
  const pieces: string[] = [];
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return { body: pieces.join(''), length: text.length, done: false };
    const line = text.slice(at, end);
    if (!/^(?:0|[1-9a-f][0-9a-f]*)$/.test(line)) throw new Error(`not a chunk size of ours: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    const data = text.slice(end + 2, end + 2 + size);
    if (size > 0) pieces.push(data);
    if (text.length < end + 4 + size) return { body: pieces.join(''), length: text.length, done: false };
    if (text.slice(end + 2 + size, end + 4 + size) !== '\r\n') throw new Error('a chunk does not end with CR LF');
    at = end + 4 + size;
    if (size === 0) return { body: pieces.join(''), length: at, done: true };
  }
}
