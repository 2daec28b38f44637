/** The sidecar's half of the life of a change: what was told becomes what the data path runs, or nothing changes. */
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { type Issue, Issues } from '../../lib/issues.ts';
import type { Random } from '../../lib/random.ts';
import { type Attached, effective, originText, sameTarget } from '../../policies/effective.ts';
import { kinds } from '../../policies/index.ts';
import type { Balancer, CompileEnv, Filter, KindFilter, Rule } from '../../policies/policy.ts';
import { keyOf, keyText, meshTarget, type Resource, serviceKey, type Target } from '../../policies/resource.ts';
import { policyTargets } from '../../policies/targets.ts';
import { Chain } from '../http/chain.ts';
import type { UpstreamSpec } from '../tcp/upstreams.ts';
import type { Edge } from '../telemetry/telemetry.ts';
import type { Destinations } from './destinations.ts';
import type { HeldResource, Inputs } from './inputs.ts';
import type { CompiledBackend, CompiledRule, RankedRule, ServiceRoutes, Snapshot } from './snapshot.ts';

export interface CompileOptions {
  /** `namespace/name` of the service beside us. */
  readonly service: string;
  readonly filters: ReadonlyMap<string, KindFilter>;
  readonly destinations: Destinations;
  /** `peer`: `namespace/name`. */
  readonly edge: (peer: string) => Edge;
  /** The way to the app beside us. */
  readonly app: CompiledRule;
  readonly clock: Clock;
  readonly random: Random;
}

/** Of a service that nobody says the port of. */
const defaultPort = 80;

const roleOf = new Map(kinds.map((entry) => [entry.kind, entry.role]));

/** Turns inputs into snapshots, one after the other; holds what outlives each of them. */
export class Compiler {
  readonly #options: CompileOptions;
  #kept = new Map<string, object>();

  constructor(options: CompileOptions) {
    this.#options = options;
  }

  /** A snapshot, or every reason why there is none; without a snapshot nothing has changed. */
  async compile(inputs: Inputs): Promise<{ readonly snapshot: Snapshot } | { readonly issues: readonly Issue[] }> {
    // 1: everything aside, each kind with what it needs loaded.
    const held = [...inputs.resources.values()];
    await Promise.all(
      [...this.#options.filters.values()].map((filter) =>
        filter.prepare?.(held.filter(({ key }) => key.kind === filter.kind).map(({ spec }) => spec)),
      ),
    );
    const pass = new Pass(this.#options, inputs, this.#kept);
    const services = pass.services();
    const upstreams = pass.upstreams();
    // 2: one problem anywhere, and the last good snapshot stays.
    if (!pass.issues.ok) return { issues: pass.issues.list };
    // 3: endpoints and kept state, in the same turn as the swap that the caller makes.
    pass.updateDestinations();
    this.#kept = pass.kept;
    const { app } = this.#options;
    const { revision, absent, addresses } = inputs;
    return { snapshot: { revision, services, absent, addresses, upstreams, app, ready: true } };
  }
}

/** One compilation. */
class Pass {
  readonly issues = new Issues();
  readonly kept = new Map<string, object>();
  readonly #options: CompileOptions;
  readonly #inputs: Inputs;
  readonly #keptBefore: ReadonlyMap<string, object>;
  readonly #policies: readonly Attached[];
  /** Services whose endpoints speak HTTP/2. */
  readonly #http2 = new Set<string>();
  readonly #names: ReadonlySet<string>;

  constructor(options: CompileOptions, inputs: Inputs, keptBefore: ReadonlyMap<string, object>) {
    this.#options = options;
    this.#inputs = inputs;
    this.#keptBefore = keptBefore;
    // What this version does not know it cannot keep to; passing it over could lift a policy that guards something.
    for (const [name, { key }] of inputs.resources)
      if (!roleOf.has(key.kind)) this.issues.add('kind', `${name}: this sidecar does not know the kind ${key.kind}`);
    this.#policies = this.#resources('policy').map((resource) => ({ resource, targets: policyTargets(resource) }));
    this.#names = new Set([
      ...this.#resources('service').map(({ metadata }) => serviceKey(metadata.namespace, metadata.name)),
      ...inputs.endpoints.keys(),
    ]);
  }

  #resources(role: string): readonly Resource[] {
    return [...this.#inputs.resources.values()].filter(({ key }) => roleOf.get(key.kind) === role).map(asResource);
  }

  services(): ReadonlyMap<string, ServiceRoutes> {
    // By name, so that rules of equal rank stand in the same order in every sidecar, whatever came over the wire first.
    const routes = [...this.#resources('route')].sort((a, b) => (placeText(a) < placeText(b) ? -1 : 1));
    const rules = routes.flatMap(
      (resource) =>
        this.#compiled(resource, (env) => this.#options.filters.get(resource.kind)?.compileRoute?.(resource, env)) ??
        [],
    );
    const services = new Map(this.#resources('service').map((resource) => [placeText(resource), resource]));
    return new Map([...this.#names].map((key) => [key, this.#service(key, services.get(key), rules)]));
  }

  /** The local addresses that this sidecar is to have. */
  upstreams(): readonly UpstreamSpec[] {
    const ours = placesOf(this.#options.service);
    const resources = [...this.#resources('upstream')].sort((a, b) => (placeText(a) < placeText(b) ? -1 : 1));
    return resources.flatMap((resource) => {
      const { compileUpstream } = this.#options.filters.get(resource.kind) ?? {};
      const facts = this.#compiled(resource, (env) => compileUpstream?.(resource, env));
      const isOurs = facts?.beside.some((target) => ours.some((place) => sameTarget(place, target)));
      return facts !== undefined && isOurs
        ? [{ service: facts.service, address: facts.address, from: keyText(keyOf(resource)) }]
        : [];
    });
  }

  /** What one resource compiles to; undefined when it does not, and then there are issues. */
  #compiled<T>(resource: Resource, compile: (env: CompileEnv) => T): T | undefined {
    const issues = new Issues();
    const origin = keyText(keyOf(resource));
    let made: T | undefined;
    try {
      made = compile(this.#env(origin, origin, issues));
    } catch (thrown) {
      // The wire is not trusted: a spec of another shape is refused like any other that cannot be compiled.
      issues.add('spec', messageOf(thrown));
    }
    for (const { path, message } of issues.list) this.issues.add(`${origin}: ${path}`, message);
    return made;
  }

  #service(key: string, resource: Resource | undefined, allRules: readonly Rule[]): ServiceRoutes {
    const kind = this.#options.filters.get(resource?.kind ?? '');
    const facts = resource && this.#compiled(resource, (env) => kind?.compileService?.(resource, env));
    const protocol = facts?.protocol ?? 'auto';
    if (protocol === 'http2' || protocol === 'grpc') this.#http2.add(key);
    return {
      key,
      protocol,
      ports: facts === undefined || facts.ports.length === 0 ? [defaultPort] : facts.ports,
      destination: this.#options.destinations.get(key),
      rules: protocol === 'tcp' ? [] : this.#rules(key, allRules),
      edge: this.#options.edge(key),
    };
  }

  #rules(key: string, allRules: readonly Rule[]): readonly RankedRule[] {
    const own = allRules.filter((rule) => rule.parents.includes(key));
    const ranked: RankedRule[] = own.flatMap((rule) => {
      const compiled = this.#rule(rule, key);
      return rule.matches.map((match) => ({ rule: compiled, match, hostnames: rule.hostnames }));
    });
    // The Gateway API: the more specific host name first, then the rank; of equals, the first written (a stable sort).
    ranked.sort((a, b) => hostRank(b.hostnames) - hostRank(a.hostnames) || b.match.rank - a.match.rank);
    if (own.length === 0)
      ranked.push({ rule: this.#defaultRule(key), match: { rank: 0, matches: () => true }, hostnames: [] });
    return ranked;
  }

  /** Without routes a service gets what is sent to it. */
  #defaultRule(key: string): CompiledRule {
    const [namespace = '', name = ''] = key.split('/');
    const backends = [{ namespace, service: name, port: 0, weight: 1 }];
    const target: Target = { kind: 'Route', namespace: '', name: '' };
    return this.#rule(
      { name: `Service ${key}`, target, parents: [key], hostnames: [], matches: [], filters: [], backends },
      key,
    );
  }

  #rule(rule: Rule, parent: string): CompiledRule {
    const chain = [...placesOf(parent), rule.target];
    const policies = this.#policyFilters('request', chain, `${parent} ${rule.name}`);
    // A backend that does not exist keeps its share, and that share gets NO_BACKEND: silence would shift the traffic.
    const backends: CompiledBackend[] = rule.backends.map((backend) => {
      const key = serviceKey(backend.namespace, backend.service);
      return {
        weight: backend.weight,
        destination: this.#names.has(key) ? this.#options.destinations.get(key) : undefined,
      };
    });
    return {
      name: rule.name,
      chain: new Chain([...policies, ...rule.filters]),
      backends,
      weight: backends.reduce((sum, { weight }) => sum + weight, 0),
      random: this.#options.random,
    };
  }

  /** Every policy kind of one scope that this side runs, merged for one place, in the order of the list of kinds. */
  #policyFilters(scope: 'request' | 'backend', chain: readonly Target[], place: string): readonly Filter[] {
    const filters: Filter[] = [];
    for (const filter of this.#options.filters.values()) {
      if (filter.compilePolicy === undefined || filter.scope !== scope || filter.side === 'inbound') continue;
      const merged = effective(filter.kind, filter.builtin, this.#policies, chain);
      const issues = new Issues();
      try {
        filters.push(
          filter.compilePolicy(merged.spec, this.#env(originText(merged), `${filter.kind} ${place}`, issues)),
        );
      } catch (thrown) {
        issues.add('spec', messageOf(thrown));
      }
      for (const { path, message } of issues.list) this.issues.add(`${originText(merged)}: ${path}`, message);
    }
    return filters;
  }

  #env(origin: string, place: string, issues: Issues): CompileEnv {
    return {
      clock: this.#options.clock,
      random: this.#options.random,
      issues,
      origin,
      keep: (key, make) => {
        const full = `${place} ${key}`;
        const same = this.kept.get(full) ?? this.#keptBefore.get(full) ?? make();
        this.kept.set(full, same);
        return same as ReturnType<typeof make>;
      },
    };
  }

  updateDestinations(): void {
    for (const key of this.#names) {
      const balancer = this.#policyFilters('backend', placesOf(key), key).find((filter) => filter.balancer)?.balancer;
      const specs = this.#inputs.endpoints.get(key)?.values() ?? [];
      this.#options.destinations.update(key, specs, balancer as Balancer, this.#http2.has(key));
    }
    this.#options.destinations.keepOnly(this.#names);
  }
}

const asResource = ({ key, spec }: HeldResource): Resource => ({
  apiVersion: '',
  kind: key.kind,
  metadata: { namespace: key.namespace, name: key.name },
  spec,
});

const placeText = ({ metadata }: Resource): string => serviceKey(metadata.namespace, metadata.name);

/** Exact names before wildcards, longer ones before shorter, rules for any host last. */
const hostRank = (hostnames: readonly string[]): number =>
  Math.max(0, ...hostnames.map((name) => name.length + (name.startsWith('*.') ? 0 : 1000)));

/** Where a service's policies can stand, the least specific first. */
function placesOf(key: string): readonly Target[] {
  const [namespace = '', name = ''] = key.split('/');
  return [meshTarget, { kind: 'Namespace', namespace: '', name: namespace }, { kind: 'Service', namespace, name }];
}
