import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import type { ApiProxy } from '../../proto/api/api.ts';
import { loadCatalog } from '../admit/catalog.ts';
import { makeRoot } from '../ca/certificates.ts';
import { openJoinTokens } from '../ca/join-tokens.ts';
import type { RegistryEndpoint } from '../registry/registry.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import { type ApiOptions, startApi } from './api.ts';
import type { ApiParts } from './parts.ts';

/** What came back, with the body as it came and, where it is JSON, parsed. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One HTTP request on a connection of its own. `body`: JSON unless it is a text. */
export function ask(
  port: number,
  method: string,
  path: string,
  body?: unknown,
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request({ port, method, path, headers: { ...json, ...headers }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== '';
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          body: isJson ? (JSON.parse(text) as Answer['body']) : {},
        });
      });
    });
    sent.on('error', reject);
    sent.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body));
  });
}

/** The API over a store and join tokens of its own; what sidecars would bring is put in by hand. */
export async function startTestApi(
  options: Partial<ApiOptions> & {
    readonly clock?: Clock;
    readonly jaegerUi?: URL;
    readonly ownContext?: () => SecureContext;
  } = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'weft-api-'));
  const common = { clock: options.clock ?? systemClock, log: silentLog };
  const store = await openEmbeddedStore({ dir, ...common });
  const root = await makeRoot('mesh.local', common.clock.wall());
  const authority = { trustDomain: 'mesh.local', roots: () => [root.cert] };
  const tokens = await openJoinTokens({ vault: store.vault, authority, ...common });

  const endpoints = new Map<string, RegistryEndpoint[]>();
  const proxies: ApiProxy[] = [];
  const statuses: number[] = [];
  const onService = new Set<(service: string) => void>();
  const onProxy = new Set<() => void>();
  const subscribe =
    <T>(to: Set<T>) =>
    (watcher: T) => {
      to.add(watcher);
      return () => void to.delete(watcher);
    };
  const parts: ApiParts = {
    store,
    catalog: await loadCatalog(),
    registry: {
      endpoints: (service) => endpoints.get(service) ?? [],
      services: () => [...endpoints.keys()],
      declared: (service) => endpoints.get(service)?.[0]?.declared,
      subscribe: subscribe(onService),
    },
    proxies: {
      list: () => proxies,
      convergence: (revision) => ({ revision, converged: proxies.length === 0, waiting: [...proxies] }),
      subscribe: subscribe(onProxy),
    },
    edges: () => [],
    tokens,
    trustDomain: 'mesh.local',
    ownContext: options.ownContext ?? (() => createSecureContext()),
    status: () => ({ grpc: '127.0.0.1:7443', uptimeSeconds: 1, rootExpires: '2036-01-01T00:00:00.000Z' }),
    version: '0.0.0',
    metrics: () => '# HELP weft_x X.\n# TYPE weft_x gauge\nweft_x 1\n',
    answered: (status) => void statuses.push(status),
    jaegerUi: options.jaegerUi,
    ...common,
  };
  const end = async (): Promise<void> => {
    await tokens.close();
    await store.close();
    await rm(dir, { recursive: true });
  };
  const address = { host: '127.0.0.1', port: 0 };
  const api = await startApi({ address, names: [], token: undefined, ...options }, parts).catch(async (error) => {
    await end();
    throw error;
  });
  const port = 'port' in api.address ? api.address.port : 0;

  return {
    api,
    port,
    store,
    proxies,
    /** Of all answers so far. */
    statuses,
    watchers: () => onService.size + onProxy.size,
    get: (path: string, headers?: OutgoingHttpHeaders) => ask(port, 'GET', path, undefined, headers),
    post: (path: string, body: unknown, headers?: OutgoingHttpHeaders) => ask(port, 'POST', path, body, headers),
    addEndpoint(service: string, endpoint: RegistryEndpoint) {
      endpoints.set(service, [...(endpoints.get(service) ?? []), endpoint]);
      for (const watcher of onService) watcher(service);
    },
    addProxy(proxy: ApiProxy) {
      proxies.push(proxy);
      for (const watcher of onProxy) watcher();
    },
    async close() {
      await api.close();
      await end();
    },
  };
}

export type TestApi = Awaited<ReturnType<typeof startTestApi>>;

export const endpoint = (id: string, port: number): RegistryEndpoint => ({
  id,
  address: '127.0.0.1',
  port,
  weight: 1,
  identity: 'spiffe://mesh.local/ns/default/sa/cart',
  locality: '',
  source: 'sidecar',
  version: id,
});

export const proxy = (instance: string, inbound: string): ApiProxy => ({
  instance,
  namespace: 'default',
  service: 'cart',
  connected: true,
  ready: true,
  since: '2026-01-01T00:00:00.000Z',
  revision: 1,
  state: 'synced',
  problems: [],
  version: '0.0.0',
  inbound,
  admin: '127.0.0.1:15000',
});
