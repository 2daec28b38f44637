import { formatIssue, Issues } from '../../lib/issues.ts';
import { filter } from '../../policies/http-route/filter.ts';
import { schema } from '../../policies/http-route/schema.ts';
import { parseResource } from '../../policies/parse.ts';
import type { KindSchema, Rule } from '../../policies/policy.ts';
import type { Resource } from '../../policies/resource.ts';
import { compileEnv } from './compile-env.ts';

const schemas = new Map([['HTTPRoute', schema as KindSchema]]);

/** Where the rules of a test go when that does not matter. */
export const backendRefs = [{ name: 'web', port: 80 }];

/** Parses HTTPRoute shop/r with service shop/web as parent, unless the spec says otherwise. */
export function parseRoute(spec: object): { resource: Resource | undefined; problems: string[] } {
  const issues = new Issues();
  const raw = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: { parentRefs: [{ name: 'web' }], ...spec },
  };
  const resource = parseResource(raw, schemas, issues, 0);
  return { resource, problems: issues.list.map(({ path, message }) => formatIssue({ path, message })) };
}

/** Its compiled rules; fails the test when there is any problem. */
export async function compileRoute(spec: object): Promise<readonly Rule[]> {
  const { resource, problems } = parseRoute(spec);
  expect(problems).toEqual([]);
  await filter.prepare?.([resource!.spec]);
  const env = compileEnv();
  const rules = filter.compileRoute!(resource!, env);
  expect(env.issues.list).toEqual([]);
  return rules;
}
