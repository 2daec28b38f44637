import { isName } from '../../lib/spiffe.ts';
import type { Exchange } from '../../policies/policy.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { CompiledBackend, CompiledRule, ServiceRoutes } from './snapshot.ts';

/** Hosts come from apps; those that are no names of ours must not pile up. */
const MAX_KEYS = 4096;

/**
 * Finds the service that a host stands for: `web`, `web.mesh` (our own namespace), `web.shop`, `web.shop.mesh`.
 * undefined: no name of a service.
 */
export function serviceNames(namespace: string): (host: string) => string | undefined {
  const keys = new Map<string, string>();
  return (host) => {
    const known = keys.get(host);
    if (known !== undefined) return known;
    const key = serviceOfHost(host, namespace);
    if (key !== undefined && keys.size < MAX_KEYS) keys.set(host, key);
    return key;
  };
}

function serviceOfHost(host: string, namespace: string): string | undefined {
  const labels = host.split('.');
  if (labels.length > 1 && labels[labels.length - 1] === 'mesh') labels.pop();
  const [name = '', inNamespace = namespace] = labels;
  return labels.length <= 2 && isName(name) && isName(inNamespace) ? serviceKey(inNamespace, name) : undefined;
}

/** The first rule, by rank, of which a match takes this request. */
export function matchRule(service: ServiceRoutes, ex: Exchange): CompiledRule | undefined {
  const { rules } = service;
  for (let i = 0; i < rules.length; i++) {
    const ranked = rules[i]!;
    if (ranked.hostnames.length > 0 && !hostMatches(ranked.hostnames, ex.host)) continue;
    if (ranked.match.matches(ex)) return ranked.rule;
  }
  return undefined;
}

function hostMatches(hostnames: readonly string[], host: string): boolean {
  return hostnames.some((name) =>
    name.startsWith('*.') ? host.endsWith(name.slice(1)) && host !== name.slice(2) : name === host,
  );
}

/** One backend by weight; undefined when no weight is left. */
export function pickBackend(rule: CompiledRule): CompiledBackend | undefined {
  const { backends } = rule;
  if (backends.length === 1) return rule.weight > 0 ? backends[0] : undefined;
  let at = rule.random.below(rule.weight);
  for (const backend of backends) {
    at -= backend.weight;
    if (at < 0) return backend;
  }
  return undefined;
}
