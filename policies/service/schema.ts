import { isIP } from 'node:net';
import { z } from 'zod';
import { isName, parseSpiffe } from '../../lib/spiffe.ts';
import { fields, port, whole } from '../fields.ts';
import { mustBe, oneOf, show } from '../issue-text.ts';
import type { KindSchema } from '../policy.ts';
import { protocols, type ServiceSpec } from './spec.ts';

const protocol = z
  .enum(protocols, {
    error: (issue) =>
      issue.input === 'udp'
        ? `protocol udp is not supported; supported are ${protocols.join(', ')}`
        : oneOf(protocols, issue.input),
  })
  .default('http')
  .describe(
    'What the service speaks: `http` (HTTP/1.1), `http2` (HTTP/2 with prior knowledge), `grpc` (the same, with gRPC in it), or `tcp` (anything else; octets are passed on as they are). The same for all ports.',
  );

const unconnectable = new Set(['0.0.0.0', '::', '255.255.255.255']);

const endpoint = fields({
  address: z
    .string({ error: (issue) => mustBe('an IP address or unix:PATH', issue.input) })
    .refine((text) => isIP(text) !== 0 || /^unix:\/[^\0]{1,100}$/.test(text), {
      error: (issue) =>
        `${show(issue.input)} is not an IP address or unix:PATH; names are not looked up, so give the address itself`,
    })
    .refine((text) => !unconnectable.has(text), {
      error: (issue) => `${show(issue.input)} is an address to listen on, not one to connect to; perhaps 127.0.0.1`,
    })
    .describe('IP address, or `unix:PATH` for a unix-domain socket.'),
  port: port('Where it listens. Left out for a unix-domain socket.').optional(),
  weight: whole('Its share of the requests, beside the weights of the others. 0: none.', 0, 1_000_000).default(1),
  identity: z
    .string()
    .refine((text) => parseSpiffe(text) !== undefined, {
      error: (issue) => `${show(issue.input)} is not an identity such as spiffe://mesh.local/ns/default/sa/web`,
    })
    .optional()
    .describe('SPIFFE ID that it must prove over mTLS. Absent: the endpoint is spoken to in plain text.'),
})
  .superRefine(({ address, port }, context) => {
    const unix = address.startsWith('unix:');
    if (!unix && port === undefined)
      context.addIssue({ code: 'custom', path: ['port'], message: 'is required: a whole number from 1 to 65535' });
    if (unix && port !== undefined)
      context.addIssue({ code: 'custom', path: ['port'], message: 'must be left out for a unix-domain socket' });
  })
  .transform(({ address, port = 0, weight, identity }) => ({
    address,
    port,
    weight,
    ...(identity === undefined ? {} : { identity }),
  }));

/** Adds an issue at each entry that repeats an earlier one. */
function once<T>(list: readonly T[], keyOf: (entry: T) => string, context: z.core.$RefinementCtx, field: string): void {
  const seen = new Set<string>();
  for (const [i, entry] of list.entries()) {
    const key = keyOf(entry);
    if (seen.has(key)) context.addIssue({ code: 'custom', path: [field, i], message: `${key} stands here twice` });
    seen.add(key);
  }
}

const spec: z.ZodType<ServiceSpec> = fields({
  ports: z
    .array(fields({ port: port('The port by which others name it.'), protocol }))
    .min(1)
    .max(64)
    .default([{ port: 80, protocol: 'http' }])
    .describe('Ports of the service. Every one of them leads to the same endpoints.'),
  endpoints: z
    .array(endpoint)
    .max(1000)
    .default([])
    .describe('Endpoints that are always there. Usually empty: sidecars register themselves while they run.'),
}).superRefine(({ ports, endpoints }, context) => {
  once(ports, ({ port }) => `port ${port}`, context, 'ports');
  const [first] = ports;
  for (const [i, { protocol }] of ports.entries())
    if (first !== undefined && protocol !== first.protocol)
      context.addIssue({
        code: 'custom',
        path: ['ports', i, 'protocol'],
        message: `must be ${first.protocol}, as for port ${first.port}: every port leads to the same endpoints`,
      });
  once(endpoints, ({ address, port }) => (port === 0 ? address : `${address} port ${port}`), context, 'endpoints');
});

export const schema: KindSchema<ServiceSpec> = {
  kind: 'Service',
  apiVersions: ['weft.dev/v1'],
  summary: 'A named destination. Requests for `web`, `web.default` or `web.mesh` go to the endpoints of service `web`.',
  spec,
  check({ metadata }, issues) {
    // It becomes a host name and part of an identity, so dots would change its meaning.
    if (!isName(metadata.name))
      issues.add(
        'metadata.name',
        `${show(metadata.name)} is not the name of a service: at most 63 lower-case letters, digits and '-'`,
      );
  },
  attaches: ({ metadata }) => [
    { kind: 'Service', namespace: metadata.namespace, name: metadata.name, path: 'metadata.name' },
  ],
};
