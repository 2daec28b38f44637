import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Address, formatAddress, isLoopback } from '../../lib/address.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { checkHost, checkToken, readBody, securityHeaders } from './guard.ts';
import { boundAddress, listenAt } from './listen.ts';
import type { ApiParts } from './parts.ts';
import { startPassthrough } from './passthrough.ts';
import { ApiError, asApiError, problemBody, problems } from './problem.ts';
import { matcher } from './route.ts';
import { allRoutes } from './routes.ts';
import { startWatch } from './watch.ts';

/** How long requests that are under way may take to end when the API closes. */
const graceMs = 2000;

export interface ApiOptions {
  readonly address: Address;
  /** Host names besides those of loopback that the API answers to. */
  readonly names: readonly string[];
  /** What a caller must show. Required unless the address is loopback. */
  readonly token: string | undefined;
}

export interface Api {
  /** Where it listens: the port that was chosen where 0 was asked for. */
  readonly address: Address;
  /** Readers of `/v1/watch` now. */
  readers(): number;
  close(): Promise<void>;
}

/** Serves the HTTP/JSON API. Throws when the address is not to be had, or is open to others without a token. */
export async function startApi(options: ApiOptions, parts: ApiParts): Promise<Api> {
  if (!isLoopback(options.address) && options.token === undefined)
    throw new Error(`the API at ${formatAddress(options.address)} is open to others, so it needs a token`);
  const watch = startWatch(parts);
  const passthrough = startPassthrough(parts.ownContext);
  let ready = true;
  const match = matcher(allRoutes(parts, watch, passthrough, () => ready));

  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    response.once('close', () => parts.answered(response.statusCode));
    answer(request, response).catch((thrown: unknown) => refuse(thrown, request, response, parts.log));
  });
  server.maxConnections = 1024;

  /** One request, from the wire to its answer. */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    checkHost(request, options.address, options.names);
    const { path, search } = targetOf(request);
    const { row, params } = match(request.method ?? '', path);
    if (!row.open) checkToken(request, options.token, row.page);
    const query = queryOf(search);
    const body = row.method === 'POST' ? await readBody(request) : undefined;
    const reply = await row.run({ params, query, search, body, request, response });
    if (row.reply !== undefined) send(response, 200, 'application/json', reply);
  }

  const close = async (): Promise<void> => {
    ready = false;
    watch.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const force = parts.clock.after(graceMs, () => server.closeAllConnections());
    server.closeIdleConnections();
    await closed;
    force();
    passthrough.close();
  };

  try {
    await listenAt(server, options.address);
  } catch (error) {
    watch.close();
    passthrough.close();
    throw error;
  }
  return { address: boundAddress(server, options.address), readers: watch.readers, close };
}

function targetOf(request: IncomingMessage): { readonly path: string; readonly search: string } {
  const target = request.url ?? '';
  if (!target.startsWith('/')) throw new ApiError('BAD_REQUEST', 'the request target must be a path');
  const at = target.indexOf('?');
  return at < 0 ? { path: target, search: '' } : { path: target.slice(0, at), search: target.slice(at) };
}

function queryOf(search: string): Readonly<Record<string, string>> {
  const query: Record<string, string> = Object.create(null);
  const issues = [];
  for (const [name, value] of new URLSearchParams(search)) {
    if (name in query) issues.push({ path: `query.${name}`, message: 'stands there twice' });
    query[name] = value;
  }
  if (issues.length > 0) throw new ApiError('BAD_REQUEST', undefined, { issues });
  return { ...query };
}

function refuse(thrown: unknown, request: IncomingMessage, response: ServerResponse, log: Log): void {
  let error = asApiError(thrown);
  if (error === undefined) {
    log.error('api.failed', { method: request.method, path: request.url, error: messageOf(thrown) });
    error = new ApiError('INTERNAL');
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
  send(response, problems[error.code].status, 'application/problem+json', problemBody(error));
}

function send(response: ServerResponse, status: number, type: string, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
}
