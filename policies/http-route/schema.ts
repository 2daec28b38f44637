import { z } from 'zod';
import { coreGroup, duration, fields, inMs, name, port, resourceName, whole } from '../fields.ts';
import { oneOf, show } from '../issue-text.ts';
import type { KindSchema } from '../policy.ts';
import { hostname, match, routeFilter } from './schema-parts.ts';
import type { HttpRouteSpec } from './spec.ts';

const notHere = 'is not supported by this version';

const serviceKind = z
  .literal('Service', {
    error: (issue) =>
      issue.input === 'Gateway' ? `kind Gateway ${notHere}; supported is Service` : oneOf(['Service'], issue.input),
  })
  .default('Service')
  .describe('Service only.');

const parentRef = fields(
  {
    group: coreGroup,
    kind: serviceKind,
    name: name('The service whose requests the route takes.'),
    namespace: name("Its namespace; the route's own when absent.").exactOptional(),
    port: port('Accepted; all ports of a service have the same routes.').exactOptional(),
  },
  { sectionName: `${notHere}; leave it out: the route takes the requests for every port` },
);

const backendRef = fields(
  {
    group: coreGroup,
    kind: serviceKind,
    name: name('The service that the requests go to.'),
    namespace: name("Its namespace; the route's own when absent.").exactOptional(),
    port: port('The port of the service; 80 where it declares none.'),
    weight: whole(
      'Its share of the requests, beside the weights of the others. 0: none. When all are 0, the answer is 500.',
      0,
      1_000_000,
    ).default(1),
  },
  { filters: `${notHere} for one backend; put them into the rule` },
);

const timeouts = fields({
  request: duration('For the whole request, retries included. `0s`: no limit.').exactOptional(),
  backendRequest: duration('For one attempt. `0s`: no limit.').exactOptional(),
})
  .superRefine(({ request, backendRequest }, context) => {
    if (request && (backendRequest ?? 0) > request)
      context.addIssue({ code: 'custom', path: ['backendRequest'], message: 'must not be above request' });
  })
  .transform(inMs('request', 'backendRequest'));

const rule = fields(
  {
    name: resourceName('For logs and explanations; unique within the route.').exactOptional(),
    matches: z
      .array(match)
      .min(1)
      .max(64)
      .default([{ path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [] }])
      .describe('The rule takes requests for which one of these holds. Everything when absent.'),
    filters: z
      .array(routeFilter)
      .max(16)
      .default([])
      .describe('What is done to requests and responses, in this order.'),
    backendRefs: z.array(backendRef).max(16).default([]).describe('Where requests go, shared out by weight.'),
    timeouts: timeouts.exactOptional().describe('Win over any TimeoutPolicy.'),
  },
  {
    retry: `${notHere}; use a RetryPolicy with this route in targetRefs`,
    sessionPersistence: `${notHere}; leave it out`,
  },
).superRefine(({ matches, filters, backendRefs }, context) => {
  const add = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
  const seen = new Set<string>();
  let redirects = false;
  for (const [i, filter] of filters.entries()) {
    if (seen.has(filter.type)) add(['filters', i, 'type'], `${filter.type} stands in this rule twice; join the two`);
    seen.add(filter.type);
    if (filter.type === 'RequestRedirect') redirects = true;
    const [field, change] =
      filter.type === 'URLRewrite'
        ? ['urlRewrite', filter.urlRewrite.path]
        : filter.type === 'RequestRedirect'
          ? ['requestRedirect', filter.requestRedirect.path]
          : ['', undefined];
    if (change?.type === 'ReplacePrefixMatch' && (matches.length !== 1 || matches[0]!.path.type !== 'PathPrefix'))
      add(
        ['filters', i, field!, 'path', 'type'],
        'ReplacePrefixMatch needs exactly one match in the rule, and that of type PathPrefix',
      );
  }
  if (redirects && seen.has('URLRewrite')) add(['filters'], 'a rule has RequestRedirect or URLRewrite, not both');
  if (redirects && backendRefs.length > 0)
    add(['backendRefs'], 'must be left out: RequestRedirect answers every request of the rule');
  if (!redirects && backendRefs.length === 0)
    add([], 'sends requests nowhere: add backendRefs, or a RequestRedirect filter');
});

const spec: z.ZodType<HttpRouteSpec> = fields(
  {
    parentRefs: z.array(parentRef).min(1).max(32).describe('Services whose requests the route takes.'),
    hostnames: z
      .array(hostname('Host name.', true))
      .max(16)
      .default([])
      .describe(
        'The route takes requests for these hosts only; `*.example.com` is any host below example.com. Any host when absent.',
      ),
    rules: z
      .array(rule)
      .min(1)
      .max(16)
      .describe('What to do with which requests. The most specific match of all routes wins.'),
  },
  { useDefaultGateways: `${notHere}; leave it out` },
).superRefine(({ parentRefs, rules }, context) => {
  const add = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (rules.reduce((sum, { matches }) => sum + matches.length, 0) > 128)
    add(['rules'], 'must have at most 128 matches in all');
  const parents = new Set<string>();
  for (const [i, { namespace = '', name, port = '' }] of parentRefs.entries()) {
    const parent = `${namespace}/${name}:${port}`;
    if (parents.has(parent)) add(['parentRefs', i], `service ${show(name)} stands here twice`);
    parents.add(parent);
  }
  const names = new Set<string>();
  for (const [i, { name }] of rules.entries()) {
    if (name !== undefined && names.has(name)) add(['rules', i, 'name'], `two rules have the name ${show(name)}`);
    if (name !== undefined) names.add(name);
  }
});

export const schema: KindSchema<HttpRouteSpec> = {
  kind: 'HTTPRoute',
  apiVersions: ['gateway.networking.k8s.io/v1', 'weft.dev/v1'],
  summary:
    'Which requests to a service go where, and what is changed on the way. The HTTPRoute of the Kubernetes Gateway API.',
  spec,
  attaches: ({ metadata, spec }) =>
    spec.parentRefs.map((ref, i) => ({
      kind: 'Service',
      namespace: ref.namespace ?? metadata.namespace,
      name: ref.name,
      path: `spec.parentRefs[${i}]`,
    })),
  backends: ({ metadata, spec }) =>
    spec.rules.flatMap((rule, i) =>
      rule.backendRefs.map((ref, j) => ({
        key: { kind: 'Service', namespace: ref.namespace ?? metadata.namespace, name: ref.name },
        path: `spec.rules[${i}].backendRefs[${j}]`,
      })),
    ),
};
