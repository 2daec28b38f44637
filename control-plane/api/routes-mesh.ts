import { z } from 'zod';
import { formatSpiffe, isName } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import {
  type ApiService,
  convergenceSchema,
  edgesReplySchema,
  proxiesReplySchema,
  servicesReplySchema,
  statusSchema,
  tokenReplySchema,
  tokenRequestSchema,
} from '../../proto/api/api.ts';
import { servicesOf } from '../admit/effective.ts';
import type { Declared } from '../registry/registry.ts';
import type { ApiParts } from './parts.ts';
import { ApiError } from './problem.ts';
import { json, type Row } from './route.ts';
import { wholeNumber } from './routes-changes.ts';

/** Rows about what runs. */
export function meshRoutes(parts: ApiParts): readonly Row[] {
  const { store, proxies, tokens, trustDomain, log } = parts;
  return [
    json({
      method: 'GET',
      path: '/v1/services',
      summary: 'Every service that is declared, has joined or has an endpoint.',
      reply: servicesReplySchema,
      handle: () => ({ services: listServices(parts) }),
    }),
    json({
      method: 'GET',
      path: '/v1/proxies',
      summary: 'The sidecars that are or were connected here, and which revision each runs.',
      reply: proxiesReplySchema,
      handle: () => ({ proxies: [...proxies.list()] }),
    }),
    json({
      method: 'GET',
      path: '/v1/convergence',
      summary: 'Whether every sidecar that a revision concerns runs it, and which do not.',
      query: z.strictObject({ revision: wholeNumber.optional() }),
      reply: convergenceSchema,
      handle: ({ query: { revision = store.current().revision } }) => {
        const last = store.current().revision;
        if (revision > last)
          throw new ApiError('NOT_FOUND', `there is no revision ${revision}; the last one is ${last}`);
        return proxies.convergence(revision);
      },
    }),
    json({
      method: 'GET',
      path: '/v1/edges',
      summary: 'Traffic between services over the last seconds, as their sidecars report it.',
      reply: edgesReplySchema,
      handle: () => ({ edges: [...parts.edges()] }),
    }),
    json({
      method: 'POST',
      path: '/v1/tokens',
      summary: 'Makes a join token: with it one sidecar of a service gets its first certificate.',
      body: tokenRequestSchema,
      reply: tokenReplySchema,
      async handle({ body: { service, namespace, ttlSeconds } }) {
        const issues = Object.entries({ service, namespace })
          .filter(([, name]) => !isName(name))
          .map(([path]) => ({ path, message: 'must be a name: a-z, 0-9 and inner dashes, at most 63' }));
        if (issues.length > 0) throw new ApiError('BAD_REQUEST', undefined, { issues });
        const identity = { trustDomain, namespace, service };
        const { token, expires } = await tokens.create(identity, ttlSeconds * 1000);
        log.info('token.created', { identity: formatSpiffe(identity), ttlSeconds });
        return { token, identity: formatSpiffe(identity), expires: new Date(expires).toISOString() };
      },
    }),
    json({
      method: 'GET',
      path: '/v1/status',
      summary: 'How the control plane itself is.',
      reply: statusSchema,
      handle: () => ({
        version: parts.version,
        revision: store.current().revision,
        store: store.name,
        storeHealthy: store.healthy(),
        trustDomain,
        sidecars: proxies.list().filter((proxy) => proxy.connected).length,
        ...parts.status(),
      }),
    }),
  ];
}

/** What the API shows of the spec of a resource with the role of a service. */
const declared = z.object({ ports: z.array(z.object({ port: z.number(), protocol: z.string() })).default([]) });

const joinedPorts = (told: Declared | undefined): ApiService['ports'] =>
  told === undefined ? [] : [{ port: told.port, protocol: told.protocol || 'auto' }];

function listServices({ store, catalog, registry }: ApiParts): ApiService[] {
  const { resources } = store.current();
  const ports = new Map<string, ApiService['ports']>();
  for (const { kind, metadata, spec } of resources.values()) {
    if (catalog.get(kind)?.role === 'service')
      ports.set(serviceKey(metadata.namespace, metadata.name), declared.safeParse(spec).data?.ports ?? []);
  }
  return servicesOf([...resources.values()], catalog, registry.services()).map((service) => {
    const [namespace = '', name = ''] = service.split('/');
    const endpoints = registry
      .endpoints(service)
      .map(({ id, address, port, weight, identity, source }) => ({ id, address, port, weight, identity, source }));
    return { namespace, name, ports: ports.get(service) ?? joinedPorts(registry.declared(service)), endpoints };
  });
}
