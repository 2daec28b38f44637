import { z } from 'zod';
import { isLoopback, parseAddress } from '../../lib/address.ts';
import { isName } from '../../lib/spiffe.ts';
import { fields, name } from '../fields.ts';
import { mustBe, show } from '../issue-text.ts';
import type { KindSchema } from '../policy.ts';
import { serviceOf, type UpstreamResourceSpec } from './spec.ts';

/** What a unix-domain socket can be called (Linux), less than its end. */
const longestPath = 100;

const listen = z
  .string({ error: (issue) => mustBe('an address such as 127.0.0.1:5432 or unix:PATH', issue.input) })
  .superRefine((text, context) => {
    const address = parseAddress(text);
    const problem =
      address === undefined
        ? 'is not an address such as 127.0.0.1:5432 or unix:PATH'
        : !isLoopback(address)
          ? 'is not loopback: whoever reaches it speaks as the service beside it, so give 127.0.0.1 or unix:PATH'
          : 'port' in address && address.port === 0
            ? 'has port 0: the service beside it could not know which one that becomes'
            : 'path' in address && !(address.path.startsWith('/') && address.path.length <= longestPath)
              ? `is not an absolute path of at most ${longestPath} characters`
              : undefined;
    if (problem !== undefined) context.addIssue(`${show(text)} ${problem}`);
  })
  .describe('Where the sidecar listens: a loopback address with a port, or `unix:PATH`.');

const service = z
  .string({ error: (issue) => mustBe('the name of a service', issue.input) })
  .refine((text) => text.split('/').length <= 2 && text.split('/').every(isName), {
    error: (issue) => `${show(issue.input)} is not the name of a service, such as db or shop/db`,
  })
  .describe('Where connections go: a service of the same namespace, or `namespace/name`.');

const spec: z.ZodType<UpstreamResourceSpec> = fields({
  service,
  listen,
  for: z
    .array(name('A service of the same namespace.'))
    .min(1)
    .max(100)
    .exactOptional()
    .describe('The services whose sidecars listen there; all of the namespace when absent.'),
});

export const schema: KindSchema<UpstreamResourceSpec> = {
  kind: 'Upstream',
  apiVersions: ['weft.dev/v1'],
  summary:
    'A local address beside services that leads to another service: for what does not speak HTTP, such as databases, and for callers that cannot use a proxy.',
  spec,
  besideOnly: true,
  attaches({ metadata: { namespace }, spec }) {
    return (
      spec.for?.map((name, i) => ({ kind: 'Service' as const, namespace, name, path: `spec.for[${i}]` })) ?? [
        { kind: 'Namespace', namespace: '', name: namespace, path: 'metadata.namespace' },
      ]
    );
  },
  backends({ metadata, spec }) {
    const [namespace = '', name = ''] = serviceOf(spec, metadata.namespace).split('/');
    return [{ key: { kind: 'Service', namespace, name }, path: 'spec.service' }];
  },
};
