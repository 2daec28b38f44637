import { chmodSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import { type Address, formatAddress, isLoopback } from '../../lib/address.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { removeLeftBehind } from '../listen/left-behind.ts';
import { refusalOf } from './guard.ts';
import { type AdminParts, type Answer, answerTo, problem } from './pages.ts';
import { send } from './send.ts';

export interface Admin {
  /** With the port that was chosen. */
  readonly address: Address;
  close(): Promise<void>;
}

/** What there may be at once, of whoever asks. An admin port that is flooded must not cost the data path its sockets. */
const maxConnections = 64;
const requestMs = 10_000;
const idleMs = 30_000;

/**
 * Serves the admin pages. Loopback and unix-domain sockets only, unless `allowRemote`: there is no login.
 * Rejects, with a sentence for people, when the address is not loopback, taken, or not of this machine.
 */
export async function startAdmin(
  options: AdminParts & { readonly address: Address; readonly allowRemote?: boolean; readonly log: Log },
): Promise<Admin> {
  const { address, log } = options;
  if (options.allowRemote !== true && !isLoopback(address))
    throw new Error(
      `admin cannot listen at ${formatAddress(address)}: it has no login, so it takes only loopback addresses and unix-domain sockets`,
    );

  // Not imported: an import of node:http evaluates all that it exports, which costs 15 MB.
  const http = process.getBuiltinModule('node:http');
  const server = http.createServer(
    { requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: requestMs, noDelay: true },
    (request, response) => send(response, request, () => answerOf(request, options), log),
  );
  server.maxConnections = maxConnections;
  server.setTimeout(idleMs);
  await listen(server, address);
  server.on('error', (error) => log.error('the admin server failed', { error: messageOf(error) }));

  const bound = server.address();
  return {
    address:
      'path' in address || bound === null || typeof bound === 'string'
        ? address
        : { host: address.host, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerOf(
  request: IncomingMessage,
  options: AdminParts & { readonly address: Address },
): Promise<Answer> {
  const refusal = refusalOf(request, options.address);
  if (refusal !== undefined) return problem(403, refusal.code, 'the admin port refused this request', refusal.detail);
  return answerTo(options, request.method ?? '', request.url ?? '');
}

async function listen(server: Server, address: Address): Promise<void> {
  if ('path' in address) await removeLeftBehind(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`admin cannot listen at ${formatAddress(address)}: ${reasonOf(error)}`)),
    );
    server.listen('path' in address ? { path: address.path } : { host: address.host, port: address.port }, resolve);
  });
  server.removeAllListeners('error');
  // Whoever may drain is whoever runs the sidecar.
  if ('path' in address) chmodSync(address.path, 0o600);
}

function reasonOf(error: Error & { readonly code?: string }): string {
  if (error.code === 'EADDRINUSE') return 'it is taken; stop whoever listens there or choose another address';
  if (error.code === 'EACCES') return 'this user may not; choose another address';
  return error.message;
}
