import { once } from 'node:events';
import {
  createServer as createHttp,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../../lib/address.ts';
import { type Octets, octetsOf } from './octets.ts';

/** What an origin has received. */
export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  /** As they came, names in the spelling of the sender. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Values of the fields of this lower-case name. */
  all(name: string): readonly string[];
  /** So far. */
  body: string;
  complete: boolean;
  aborted: boolean;
  /** Number of the connection that it came on, from 1. */
  readonly connection: number;
}

export type Handler = (req: IncomingMessage, res: ServerResponse, seen: SeenRequest) => void | Promise<void>;

export interface Origin extends AsyncDisposable {
  readonly address: Address;
  readonly requests: readonly SeenRequest[];
  /** Opened since the start. */
  readonly connections: number;
  /** Open now. */
  readonly open: number;
  readonly server: HttpServer;
}

/**
 * A service on node:http. `answer`: one handler, a text that answers everything, or texts and handlers by path. A
 * handler that throws fails the test that closes the origin.
 */
export async function http1Origin(
  answer: Handler | string | Readonly<Record<string, string | Handler>> = 'hello',
  options: { readonly path?: string; readonly port?: number } = {},
): Promise<Origin> {
  const requests: SeenRequest[] = [];
  const failures: unknown[] = [];
  const numbers = new WeakMap<Socket, number>();
  const sockets = new Set<Socket>();
  let connections = 0;
  const handle: Handler = (req, res, seen) => {
    const chosen = typeof answer === 'object' ? (answer[req.url!.split('?')[0]!] ?? notFound) : answer;
    if (typeof chosen === 'string') res.end(chosen);
    else return chosen(req, res, seen);
  };
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const seen = seenOf(req, numbers.get(req.socket)!);
    requests.push(seen);
    res.on('error', () => undefined);
    (async () => handle(req, res, seen))().catch((thrown: unknown) => {
      failures.push(thrown);
      res.destroy();
    });
  };
  const server = createHttp({ keepAliveTimeout: 60_000 }, onRequest);
  server.on('checkContinue', onRequest);
  server.on('connection', (socket) => {
    numbers.set(socket, ++connections);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const address = await listen(server, options);
  return {
    address,
    requests,
    server,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await closed(server, sockets);
      if (failures.length > 0) throw failures[0];
    },
  };
}

const notFound: Handler = (_, res) => void res.writeHead(404).end('no such path');

function seenOf(req: IncomingMessage, connection: number): SeenRequest {
  const fields: [string, string][] = [];
  for (let i = 0; i < req.rawHeaders.length; i += 2) fields.push([req.rawHeaders[i]!, req.rawHeaders[i + 1]!]);
  const seen: SeenRequest = {
    method: req.method!,
    target: req.url!,
    fields,
    all: (name) => fields.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value),
    body: '',
    complete: false,
    aborted: false,
    connection,
  };
  req.setEncoding('latin1');
  req.on('data', (chunk: string) => {
    seen.body += chunk;
  });
  req.on('end', () => {
    seen.complete = true;
  });
  req.on('close', () => {
    seen.aborted = !req.complete;
  });
  req.on('error', () => undefined);
  return seen;
}

/** One connection to a raw origin. */
export interface RawPeer {
  readonly socket: Socket;
  readonly octets: Octets;
  /** Number of the connection, from 1. */
  readonly number: number;
  /** The next request head, as text; a body is left to `octets`. */
  head(): Promise<string>;
  write(text: string): void;
}

export interface RawOrigin extends AsyncDisposable {
  readonly address: Address;
  readonly peers: readonly RawPeer[];
}

/** A service that does on each connection what the script says. A script that throws fails the test that closes it. */
export async function rawOrigin(
  script: (peer: RawPeer) => void | Promise<void>,
  options: { readonly path?: string } = {},
): Promise<RawOrigin> {
  const peers: RawPeer[] = [];
  const failures: unknown[] = [];
  const sockets = new Set<Socket>();
  let closing = false;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const octets = octetsOf(socket);
    const peer: RawPeer = {
      socket,
      octets,
      number: peers.length + 1,
      async head() {
        const head = await octets.until('a request head', (text) => {
          const end = text.indexOf('\r\n\r\n');
          return end < 0 ? undefined : text.slice(0, end + 4);
        });
        octets.drop(head.length);
        return head;
      },
      write: (text) => void socket.write(text, 'latin1'),
    };
    peers.push(peer);
    (async () => script(peer))().catch((thrown: unknown) => {
      if (!closing) failures.push(thrown);
    });
  });
  const address = await listen(server, options);
  return {
    address,
    peers,
    async [Symbol.asyncDispose]() {
      closing = true;
      await closed(server, sockets);
      if (failures.length > 0) throw failures[0];
    },
  };
}

async function listen(
  server: Server,
  { path, port = 0 }: { readonly path?: string; readonly port?: number },
): Promise<Address> {
  if (path === undefined) server.listen(port, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  const chosen = server.address();
  return typeof chosen === 'object' && chosen !== null ? { host: chosen.address, port: chosen.port } : { path: path! };
}

async function closed(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await done;
}
