import type { Agent, IncomingMessage, ServerResponse } from 'node:http';
import type { SecureContext } from 'node:tls';
import type httpProxy from 'http-proxy';
import { parseAddress } from '../../lib/address.ts';
import { securityHeaders } from './guard.ts';
import { ApiError, type ProblemCode } from './problem.ts';
import { sidecarAgents } from './sidecar-agent.ts';

/** How long the other side may stay silent. */
const idleMs = 30_000;

/** Where the inbound listener of a sidecar is, and who it must prove to be. */
export interface SidecarAt {
  /** As text; '' where it has none that others reach. */
  readonly inbound: string;
  readonly spiffeId: string;
}

/** Passes GET requests of people on to pages of sidecars and of Jaeger. */
export interface Passthrough {
  /**
   * To the admin pages of a sidecar, over its inbound port and mutual TLS: the admin port itself is on the loopback of
   * the sidecar, which may be another machine's or container's. Whatever it answers is shown, never trusted.
   */
  toSidecar(to: SidecarAt, path: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** To a program that the operator has named, whose pages have scripts that speak to it. `path` follows the base's. */
  toTrusted(base: URL, path: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

/** `context`: what the control plane proves itself with to sidecars now. */
export function startPassthrough(context: () => SecureContext): Passthrough {
  const sidecars = once(async () => {
    const proxy = await createProxy();
    // What we have set stands: a sidecar that was taken over must not loosen it.
    return proxy.on('proxyRes', (answer) => {
      for (const name of Object.keys(securityHeaders)) delete answer.headers[name];
    });
  });
  const trusted = once(createProxy);
  const agents = sidecarAgents(context);

  return {
    async toSidecar({ inbound, spiffeId }, path, request, response) {
      checkEmpty(request);
      const address = parseAddress(inbound);
      if (address === undefined)
        throw new ApiError('SIDECAR_UNREACHABLE', 'this sidecar has no inbound address that others reach');
      // No scripts, and an origin of its own: in ours a page could apply changes.
      response.setHeader('content-security-policy', "sandbox; default-src 'none'; style-src 'unsafe-inline'");
      request.headers = request.headers.accept === undefined ? {} : { accept: request.headers.accept };
      const to = { protocol: 'http:', host: 'sidecar', port: 80, agent: agents.of(address, spiffeId) };
      await pass(await sidecars(), to, path, request, response, (reason) => [
        'SIDECAR_UNREACHABLE',
        `${inbound}: ${reason}`,
      ]);
    },
    async toTrusted(base, path, request, response) {
      checkEmpty(request);
      // With such a segment the path could leave the base that the operator has named.
      if (/\/(?:\.|%2e){1,2}(?:[/\\]|%2f|%5c|$)/i.test(path.split('?', 1)[0]!))
        throw new ApiError('BAD_REQUEST', 'the path has a segment of dots');
      response.removeHeader('content-security-policy');
      const { protocol, hostname, port, pathname } = base;
      const secure = protocol === 'https:';
      const to = { protocol, host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 443 : 80) };
      const whole = pathname.replace(/\/$/, '') + path;
      await pass(await trusted(), to, whole, request, response, (reason) => [
        'JAEGER_UNREACHABLE',
        `${base.origin}: ${reason}`,
      ]);
    },
    close: () => agents.close(),
  };
}

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
};

/** The package is loaded when the first page is asked for: a start is shorter by 20 ms. */
async function createProxy(): Promise<httpProxy> {
  const { default: httpProxy } = await import('http-proxy');
  // toProxy: the path goes on as it came, and no second parser reads it.
  const proxy = httpProxy.createProxyServer({ changeOrigin: true, toProxy: true, proxyTimeout: idleMs });
  proxy.on('proxyReq', (upstream, _request, response) => {
    // When the browser goes away, http-proxy leaves its request upstream open (its issue 1586).
    response.on('close', () => {
      if (!response.writableFinished) upstream.destroy();
    });
  });
  proxy.on('proxyRes', (answer, _request, response) => {
    // These two are about the other connection.
    for (const name of ['connection', 'keep-alive', 'set-cookie']) delete answer.headers[name];
    // An answer that breaks off must not look like one that is still coming.
    answer.on('close', () => {
      if (!answer.complete) response.destroy();
    });
  });
  return proxy;
}

/** Without its length the content of a GET would be taken for a second request over there. */
function checkEmpty({ headers }: IncomingMessage): void {
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
    throw new ApiError('BAD_REQUEST', 'a GET has no content here');
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly protocol: string;
  readonly agent?: Agent;
}

function pass(
  proxy: httpProxy,
  { agent, ...target }: Target,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  problem: (reason: string) => [code: ProblemCode, detail: string],
): Promise<void> {
  // Our token is for us alone; the rest is about this connection.
  for (const name of ['authorization', 'cookie', 'connection', 'keep-alive', 'upgrade', 'te'])
    delete request.headers[name];
  request.url = path;
  // Nobody waits any more; without a connection there would be no 'close' either.
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve, reject) => {
    response.once('close', resolve);
    proxy.web(request, response, { target, ...(agent === undefined ? {} : { agent }) }, (error) => {
      if (response.headersSent) response.destroy();
      else reject(new ApiError(...problem(error.message)));
    });
  });
}
