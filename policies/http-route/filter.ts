import { messageOf } from '../../lib/errors.ts';
import type { CompileEnv, KindFilter, Rule } from '../policy.ts';
import { keyText, type Resource, serviceKey } from '../resource.ts';
import { compileMatch } from './match.ts';
import { loadRegexEngine, type RegexEngine } from './regex.ts';
import { compileRuleFilters } from './rule-filters.ts';
import type { HttpRouteSpec, RouteRule } from './spec.ts';

/** Stays undefined in a sidecar none of whose routes has a regular expression. */
let engine: RegexEngine | undefined;

export const filter: KindFilter = {
  kind: 'HTTPRoute',
  async prepare(specs) {
    // As text, so that a spec of any shape gets as far as compileRoute, which says what is wrong with it.
    const needed = JSON.stringify(specs).includes('"RegularExpression"');
    if (needed) engine ??= await loadRegexEngine();
  },
  compileRoute: (resource, env) => compileRoute(resource as Resource<HttpRouteSpec>, env),
};

function compileRoute(resource: Resource<HttpRouteSpec>, env: CompileEnv): readonly Rule[] {
  const rules: Rule[] = [];
  for (const [i, rule] of resource.spec.rules.entries()) {
    try {
      rules.push(compileRule(resource, rule, i));
    } catch (error) {
      // From a control plane that knows more than this sidecar, or nothing went through its schema.
      env.issues.add(`spec.rules[${i}]`, messageOf(error));
    }
  }
  return rules;
}

function compileRule({ kind, metadata, spec }: Resource<HttpRouteSpec>, rule: RouteRule, index: number): Rule {
  const { namespace, name } = metadata;
  const origin = keyText({ kind, namespace, name });
  const parents = spec.parentRefs.map((ref) => serviceKey(ref.namespace ?? namespace, ref.name));
  return {
    name: `${origin} rule ${rule.name ?? index + 1}`,
    target: { kind: 'Route', namespace, name },
    parents: [...new Set(parents)],
    hostnames: spec.hostnames,
    matches: rule.matches.map((match) => compileMatch(match, engine)),
    filters: compileRuleFilters(rule, origin),
    backends: rule.backendRefs
      .filter((ref) => ref.weight > 0)
      .map((ref) => ({ namespace: ref.namespace ?? namespace, service: ref.name, port: ref.port, weight: ref.weight })),
  };
}
