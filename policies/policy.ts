/**
 * The contract between a policy kind and the rest of Weft. A kind is one folder:
 *
 *   schema.ts   what users write: strict, all defaults visible; needs zod, so only the control plane, the CLI and a
 *               sidecar that reads a file load it
 *   filter.ts   what the data path runs; knows nothing of zod
 *
 * and one line in `index.ts`. Shared code asks a kind through this contract and never looks at its name.
 */
import type { z } from 'zod';
import type { Address } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Issues } from '../lib/issues.ts';
import type { Random } from '../lib/random.ts';
import type { Resource, ResourceKey, Target } from './resource.ts';

/**
 * - `service`: a named destination
 * - `route`: matches requests to its parent services and sends them to backends
 * - `policy`: settings attached to targets, merged field by field, the most specific target winning
 * - `upstream`: a local address, at the sidecars of the services it is attached to, that leads to another service
 */
export type Role = 'service' | 'route' | 'policy' | 'upstream';

/** One line of index.ts. Both halves load on demand. */
export interface KindEntry {
  readonly kind: string;
  readonly role: Role;
  readonly schema: () => Promise<{ readonly schema: KindSchema }>;
  readonly filter: () => Promise<{ readonly filter: KindFilter }>;
}

/** The half of a kind that checks what people write. */
export interface KindSchema<Spec = unknown> {
  readonly kind: string;
  /** Accepted values of apiVersion; the first is the one that Weft writes. */
  readonly apiVersions: readonly [string, ...string[]];
  /** One sentence for docs and `weft explain`. */
  readonly summary: string;
  /** Strict zod schema of `spec`. Its output is the normalised form: durations as `…Ms` numbers. Fields are described. */
  readonly spec: z.ZodType<Spec>;
  /** What applies where nobody said anything: shown to users as a resource named `builtin`. Policies only. */
  readonly builtin?: Partial<Spec>;
  /** Checks that a schema cannot say. Adds every problem with its path (`spec.…`); never throws. */
  check?(resource: Resource<Spec>, issues: Issues): void;
  /** It concerns the sidecars of what it is attached to, and not those that call them. */
  readonly besideOnly?: boolean;
  /** What the resource is attached to: the parents of a route, the targets of a policy, itself for a service. */
  attaches(resource: Resource<Spec>): readonly (Target & { readonly path: string })[];
  /** Services that it sends traffic to, with the path of each mention. */
  backends?(resource: Resource<Spec>): readonly { readonly key: ResourceKey; readonly path: string }[];
}

/** What a service speaks; the octets of `tcp` are nobody's business but its own. */
export type Protocol = 'http' | 'http2' | 'grpc' | 'tcp';

/** What the data path has to know of a service, besides its endpoints. */
export interface ServiceFacts {
  /** `auto`: nobody has said. */
  readonly protocol: Protocol | 'auto';
  /** By which callers name it; all lead to the same endpoints. */
  readonly ports: readonly number[];
}

/** A local address that leads to a service. */
export interface UpstreamFacts {
  /** `namespace/name`. */
  readonly service: string;
  readonly address: Address;
  /** Whose sidecars have it. */
  readonly beside: readonly Target[];
}

/** The half of a kind that the data path runs. Which function it has follows from its role. */
export interface KindFilter {
  readonly kind: string;
  /** Role policy: what applies where nobody said anything, in the normalised form; the same as the schema's. */
  readonly builtin?: unknown;
  /** Loads what `compile…` will need for these specs (a regex engine, say). Awaited before any of them is compiled. */
  prepare?(specs: readonly unknown[]): Promise<void>;
  /** Role service. Adds issues instead of throwing; then the snapshot is not used. */
  compileService?(resource: Resource, env: CompileEnv): ServiceFacts;
  /** Role upstream: undefined when issues were added. */
  compileUpstream?(resource: Resource, env: CompileEnv): UpstreamFacts | undefined;
  /** Role route: the rules, in the order written. Adds issues instead of throwing; then the snapshot is not used. */
  compileRoute?(resource: Resource, env: CompileEnv): readonly Rule[];
  /** Role policy: the merged spec of one scope as a filter. */
  compilePolicy?(effective: unknown, env: CompileEnv): Filter;
  /**
   * Role policy: where the merged spec is looked up. `request`: by the service that was asked for and the route;
   * `backend`: by the service that the request goes to in the end.
   */
  readonly scope?: 'request' | 'backend';
  /** Which sidecar of a hop runs it. */
  readonly side?: 'outbound' | 'inbound' | 'both';
}

/** What `compile…` may use. */
export interface CompileEnv {
  readonly clock: Clock;
  readonly random: Random;
  readonly issues: Issues;
  /** The resource whose policy this is, for replies and logs: `Kind namespace/name`; several are joined with `, `. */
  readonly origin: string;
  /**
   * State that outlives snapshots (buckets, budgets). The same key gives the same object for as long as it is asked for.
   * Keys belong to the kind and to the place it is compiled for (service, route), so that filters need not say where.
   */
  keep<T extends object>(key: string, make: () => T): T;
}

/** A response that the mesh makes itself. Built when the snapshot is compiled, so that a denial costs nothing. */
export interface Reply {
  readonly code: ErrorCode | 'REDIRECT';
  readonly status: number;
  /** Lower-case names. `weft-error`, `content-type` and `content-length` are added by whoever writes it. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `Kind namespace/name` of the policy that decided, or ''. */
  readonly policy: string;
  /** More for the log line and the problem body; never anything secret. */
  readonly detail?: string;
}

/** undefined: go on. */
export type Verdict = Reply | undefined;

/** The fields of one message. Names are matched as lower case; values are Latin-1 text, one character an octet. */
export interface Headers {
  /** The first value; undefined when the field is absent, '' when it is empty. */
  get(name: string): string | undefined;
  /** Every value, in order. */
  all(name: string): readonly string[];
  /** Puts one field in the place of all of that name. */
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  remove(name: string): void;
}

/** One request and its response, as filters see it. */
export interface Exchange {
  readonly direction: 'inbound' | 'outbound';
  readonly method: string;
  /** Canonical host, lower case, without port or final dot. */
  readonly host: string;
  /** Canonical path: dots resolved, slashes merged, escapes of unreserved characters decoded; without query. */
  readonly path: string;
  /** What follows `?`, untouched; '' when there is none. */
  readonly query: string;
  readonly request: Headers;
  /** Of the response that goes downstream; usable from onResponse on. */
  readonly response: Headers;
  /** Status of the response; 0 before there is one. */
  readonly status: number;
  /** SPIFFE ID that the peer proved; '' when it proved none. */
  readonly peer: string;
  /** Monotonic ms at which the exchange began. */
  readonly startMs: number;
  /** True when the body, if any, is still held in full, so that another attempt can send it again. */
  readonly replayable: boolean;
  /** Attempts made so far, the present one included. */
  readonly attempts: number;
  /** Monotonic ms by which the whole exchange must be answered; Infinity: no limit. A filter may lower or set it. */
  deadlineMs: number;
  /** Time for each attempt, in ms; Infinity: no limit. */
  attemptTimeoutMs: number;
  /** Most octets of a request body that are held for another attempt; set by onRequest. 0: none. */
  holdBytes: number;
  /** Time during which nothing moves on an answered exchange before it is ended, in ms. */
  idleTimeoutMs: number;
  /** Who set these times, as `Kind namespace/name`; '' for the built-in ones. Stands in the answer that they cause. */
  timesFrom: string;
  /** Time to connect to an endpoint, in ms. */
  connectTimeoutMs: number;
  /** Replaces the canonical path (query kept) for what is sent upstream. */
  rewritePath(path: string): void;
  /** Replaces the Host of what is sent upstream. */
  rewriteHost(host: string): void;
}

/** How an attempt ended, before anything was sent downstream. */
export interface Outcome {
  /** Status of the response, or 0 when there was none. */
  readonly status: number;
  /** Set when there was no usable response, or when the peer sidecar made the response itself (`weft-error`). */
  readonly error: ErrorCode | undefined;
  /** True when the connection came idle from the pool and died before a single octet of response: always safe to repeat. */
  readonly reusedConnection: boolean;
  /** Response fields; undefined when there was no response. */
  readonly response: Headers | undefined;
  /**
   * Of a gRPC call: the status that the caller would get. -1 for other exchanges, and for a response that has begun to
   * stream: its status follows in its trailers, when it is too late for another attempt.
   */
  readonly grpcStatus: number;
}

/** No further attempt. */
export const DONE = -1;

/** The compiled form of a policy. Hooks are synchronous unless they return a promise; absent hooks cost nothing. */
export interface Filter {
  /** Before the first attempt. A Reply ends the exchange. */
  readonly onRequest?: (ex: Exchange) => Verdict | Promise<Verdict>;
  /** When a response is about to go downstream. */
  readonly onResponse?: (ex: Exchange) => void;
  /** Once, at the end of every exchange, also after a reset. */
  readonly onEnd?: (ex: Exchange) => void;
  /** After each attempt: milliseconds to wait before another one, or DONE. The first filter that says a time wins. */
  readonly afterAttempt?: (ex: Exchange, outcome: Outcome) => number;
  /** Scope backend only: how endpoints are chosen. */
  readonly balancer?: Balancer;
}

/** What a picker may know of an endpoint. Objects live as long as the endpoint does, across snapshots. */
export interface Endpoint {
  readonly id: string;
  readonly weight: number;
  readonly locality: string;
  /** Requests that are under way there now, from this sidecar. */
  readonly active: number;
}

/** The choice at one moment over one list of endpoints. Replaced, never changed; does not allocate. */
export interface Picker {
  /**
   * `ex`: undefined for a TCP connection, which carries no request that could decide. `tried` are endpoints that failed it
   * already: avoided while there are others. Gives undefined when nobody can take it now.
   */
  pick(ex: Exchange | undefined, tried: readonly Endpoint[]): Endpoint | undefined;
}

/** Builds the next picker. `previous` lets a rotation carry on where it was. */
export interface Balancer {
  build(endpoints: readonly Endpoint[], previous?: Picker): Picker;
}

/** One rule of a route, compiled. */
export interface Rule {
  /** `Kind namespace/name rule N`: what logs and explanations call it. */
  readonly name: string;
  /** The route resource, as the target of policies. */
  readonly target: Target;
  /** Parent services, as `namespace/name`. */
  readonly parents: readonly string[];
  /** Lower case; `*.` first for a wildcard; empty: any host. */
  readonly hostnames: readonly string[];
  /** Any of them matches. Never empty. */
  readonly matches: readonly Match[];
  readonly filters: readonly Filter[];
  /** Weighted; empty only when a filter always replies. */
  readonly backends: readonly Backend[];
}

export interface Backend {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly weight: number;
}

export interface Match {
  /**
   * Precedence as the Gateway API orders it, the higher first: exact path, then longer prefixes, then method, then
   * number of headers, then of query parameters. Rules of equal rank keep the order in which they were written.
   */
  readonly rank: number;
  matches(ex: Exchange): boolean;
}
