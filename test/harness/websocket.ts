import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import type { Address } from '../../lib/address.ts';

/** A service that speaks WebSocket, and its ends of the connections. */
export interface WebSocketOrigin extends AsyncDisposable {
  readonly address: Address;
  /** In the order in which they were opened. */
  readonly sockets: readonly WebSocket[];
  /** Heads of the requests to upgrade, in order. */
  readonly requests: readonly IncomingMessage[];
  readonly http: Server;
}

/** `onSocket` is called with each connection; `refuse` may answer a request to upgrade with a status instead. */
export async function webSocketOrigin(
  onSocket: (socket: WebSocket, request: IncomingMessage) => void = echo,
  options: { readonly deflate?: boolean; readonly refuse?: (request: IncomingMessage) => number | undefined } = {},
): Promise<WebSocketOrigin> {
  const sockets: WebSocket[] = [];
  const requests: IncomingMessage[] = [];
  const http = createServer((_, res) => void res.end('hello'));
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: options.deflate ?? false });
  const open = new Set<Duplex>();
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    requests.push(request);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    const status = options.refuse?.(request);
    if (status === undefined)
      server.handleUpgrade(request, socket, head, (made) => {
        sockets.push(made);
        // A connection that breaks off shows as its close, with code 1006.
        made.on('error', () => undefined);
        onSocket(made, request);
      });
    else socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\ncontent-length: 4\r\nx-why: test\r\n\r\nno\r\n`);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as { port: number };
  return {
    address: { host: '127.0.0.1', port },
    sockets,
    requests,
    http,
    async [Symbol.asyncDispose]() {
      const done = new Promise((resolve) => http.close(resolve));
      for (const socket of open) socket.destroy();
      http.closeAllConnections();
      await done;
    },
  };
}

/** Sends back what comes, as it came. */
export function echo(socket: WebSocket): void {
  socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
}

/** What came of a try to connect. */
export type Opened = { readonly socket: WebSocket } | { readonly status: number; readonly why: string };

/** Asks for a WebSocket of the service `web`. Rejects when the connection breaks off before an answer. */
export function openWebSocket(at: Address, path = '/chat', options: ClientOptions = {}): Promise<Opened> {
  const { host, port } = at as Extract<Address, { host: string }>;
  const socket = new WebSocket(`ws://${host}:${port}${path}`, {
    perMessageDeflate: false,
    headers: { host: 'web' },
    ...options,
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.on('error', () => undefined);
      resolve({ socket });
    });
    socket.once('unexpected-response', (request, response) => {
      response.resume();
      response.on('end', () => request.destroy());
      resolve({ status: response.statusCode!, why: String(response.headers['x-why'] ?? '') });
    });
    socket.once('error', reject);
  });
}

/** The next message, as text or octets. */
export async function nextMessage(socket: WebSocket): Promise<string | Buffer> {
  const [message, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
  return isBinary ? message : message.toString();
}

/** Code and reason of its end. */
export async function closing(socket: WebSocket): Promise<readonly [code: number, reason: string]> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}

/** A text message of less than 126 octets in one frame, as a client sends it. RFC 6455 section 5.2. */
export function maskedText(text: string): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = Buffer.from(text).map((octet, i) => octet ^ mask[i % 4]!);
  return Buffer.concat([Buffer.from([0x81, 0x80 | masked.length]), mask, masked]);
}

/** Reads what `maskedText` has written. */
export const unmasked = (octets: Buffer): string =>
  octets
    .subarray(6)
    .map((octet, i) => octet ^ octets[2 + (i % 4)]!)
    .toString();

/** The same as a server sends it. */
export const plainText = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
