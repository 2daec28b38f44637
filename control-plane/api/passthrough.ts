import type { IncomingMessage, ServerResponse } from 'node:http';
import httpProxy from 'http-proxy';
import { type Address, parseAddress } from '../../lib/address.ts';
import { securityHeaders } from './guard.ts';
import { ApiError } from './problem.ts';

/** How long the other side may stay silent. */
const idleMs = 30_000;

/** Passes GET requests of people on to pages of sidecars and of Jaeger. */
export interface Passthrough {
  /** To the admin address that a sidecar has told. Whatever it answers is shown, never trusted. */
  toSidecar(admin: string, path: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** To a program that the operator has named, whose pages have scripts that speak to it. `path` follows the base's. */
  toTrusted(base: URL, path: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

export function startPassthrough(): Passthrough {
  const sidecars = createProxy();
  sidecars.on('proxyRes', (answer) => {
    // What we have set stands: a sidecar that was taken over must not loosen it.
    for (const name of Object.keys(securityHeaders)) delete answer.headers[name];
  });
  const trusted = createProxy();

  return {
    async toSidecar(admin, path, request, response) {
      const address = parseAddress(admin);
      if (address === undefined) throw new ApiError('SIDECAR_UNREACHABLE', 'this sidecar has told no admin address');
      // No scripts, and an origin of its own: in ours a page could apply changes.
      response.setHeader('content-security-policy', "sandbox; default-src 'none'; style-src 'unsafe-inline'");
      await pass(sidecars, targetOf(address), path, request, response);
    },
    async toTrusted(base, path, request, response) {
      response.removeHeader('content-security-policy');
      const { protocol, hostname, port, pathname } = base;
      const target = { protocol, host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
      await pass(trusted, target, pathname.replace(/\/$/, '') + path, request, response);
    },
    close() {
      sidecars.close();
      trusted.close();
    },
  };
}

type Target = { readonly host: string; readonly port: number; readonly protocol: string; readonly socketPath?: string };

const targetOf = (address: Address): Target =>
  'path' in address
    ? { protocol: 'http:', host: 'localhost', port: 80, socketPath: address.path }
    : { protocol: 'http:', host: address.host, port: address.port };

function createProxy(): httpProxy {
  const proxy = httpProxy.createProxyServer({ changeOrigin: true, proxyTimeout: idleMs });
  proxy.on('proxyReq', (upstream, _request, response) => {
    // When the browser goes away, http-proxy leaves its request upstream open (its issue 1586).
    response.on('close', () => {
      if (!response.writableFinished) upstream.destroy();
    });
  });
  proxy.on('proxyRes', (answer, _request, response) => {
    delete answer.headers['set-cookie'];
    // An answer that breaks off must not look like one that is still coming.
    answer.on('close', () => {
      if (!answer.complete) response.destroy();
    });
  });
  return proxy;
}

function pass(
  proxy: httpProxy,
  target: Target,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Our token is for us alone.
  delete request.headers.authorization;
  delete request.headers.cookie;
  request.url = path;
  return new Promise((resolve, reject) => {
    response.once('close', resolve);
    proxy.web(request, response, { target }, () => {
      if (response.headersSent) response.destroy();
      else reject(new ApiError('SIDECAR_UNREACHABLE', 'it is gone, or its address cannot be reached from here'));
    });
  });
}
