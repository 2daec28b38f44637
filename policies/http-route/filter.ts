import { messageOf } from '../../lib/errors.ts';
import type { CompileEnv, KindFilter, Match, Rule } from '../policy.ts';
import { keyOf, keyText, type Resource, serviceKey, type Target } from '../resource.ts';
import { compileMatch } from './match.ts';
import { loadRegexEngine, type RegexEngine } from './regex.ts';
import { compileRuleFilters } from './rule-filters.ts';
import { type HttpRouteSpec, regularExpressions } from './spec.ts';

/** Stays undefined in a sidecar none of whose routes has a regular expression. */
let engine: RegexEngine | undefined;

export const filter: KindFilter = {
  kind: 'HTTPRoute',
  async prepare(specs) {
    const needed = specs.some(
      (spec) =>
        !regularExpressions(spec as HttpRouteSpec)
          [Symbol.iterator]()
          .next().done,
    );
    if (needed) engine ??= await loadRegexEngine();
  },
  compileRoute: (resource, env) => compileRoute(resource as Resource<HttpRouteSpec>, env),
};

function compileRoute(resource: Resource<HttpRouteSpec>, env: CompileEnv): readonly Rule[] {
  const { metadata, spec } = resource;
  const origin = keyText(keyOf(resource));
  const target: Target = { kind: 'Route', namespace: metadata.namespace, name: metadata.name };
  const parents = spec.parentRefs.map((ref) => serviceKey(ref.namespace ?? metadata.namespace, ref.name));
  return spec.rules.map((rule, i): Rule => {
    const filters = compileRuleFilters(rule, origin);
    const matches: Match[] = [];
    for (const [j, match] of rule.matches.entries()) {
      try {
        matches.push(compileMatch(match, engine));
      } catch (error) {
        env.issues.add(`spec.rules[${i}].matches[${j}]`, messageOf(error));
      }
    }
    return {
      name: `${origin} rule ${rule.name ?? i + 1}`,
      target,
      parents: [...new Set(parents)],
      hostnames: spec.hostnames,
      matches,
      filters,
      backends: rule.backendRefs
        .filter((ref) => ref.weight > 0)
        .map((ref) => ({
          namespace: ref.namespace ?? metadata.namespace,
          service: ref.name,
          port: ref.port,
          weight: ref.weight,
        })),
    };
  });
}
