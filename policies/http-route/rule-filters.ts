import { errors } from '../../lib/errors.ts';
import type { Exchange, Filter, Headers, Reply } from '../policy.ts';
import { changePath } from './path.ts';
import type { HeaderChange, Redirect, RouteFilter, RouteRule } from './spec.ts';

/** Everything that a rule does besides choosing a backend. `origin`: the route, for replies. */
export function compileRuleFilters(rule: RouteRule, origin: string): readonly Filter[] {
  const filters: Filter[] = [];
  if (rule.timeouts !== undefined) filters.push(timeouts(rule.timeouts, origin));
  // Of the rule's only match where it is needed: the schema sees to that.
  const prefix = rule.matches[0]!.path.value;
  for (const filter of rule.filters) filters.push(compileFilter(filter, prefix, origin));
  const redirects = rule.filters.some((filter) => filter.type === 'RequestRedirect');
  if (!redirects && rule.backendRefs.every((ref) => ref.weight === 0)) filters.push(noBackend(origin));
  return filters;
}

function compileFilter(filter: RouteFilter, prefix: string, origin: string): Filter {
  switch (filter.type) {
    case 'RequestHeaderModifier': {
      const change = headerChange(filter.requestHeaderModifier);
      return {
        onRequest(ex) {
          change(ex.request);
          return undefined;
        },
      };
    }
    case 'ResponseHeaderModifier': {
      const change = headerChange(filter.responseHeaderModifier);
      return { onResponse: (ex) => change(ex.response) };
    }
    case 'URLRewrite': {
      const { hostname, path } = filter.urlRewrite;
      return {
        onRequest(ex) {
          if (hostname !== undefined) ex.rewriteHost(hostname);
          if (path !== undefined) ex.rewritePath(changePath(ex.path, path, prefix));
          return undefined;
        },
      };
    }
    case 'RequestRedirect':
      return redirect(filter.requestRedirect, prefix, origin);
    default:
      throw new Error(`this sidecar does not know filters of type ${String((filter as RouteFilter).type)}`);
  }
}

function headerChange({ set, add, remove }: HeaderChange): (headers: Headers) => void {
  const lower = (list: HeaderChange['set']) => list.map(({ name, value }) => ({ name: name.toLowerCase(), value }));
  const [setting, adding, removing] = [lower(set), lower(add), remove.map((name) => name.toLowerCase())];
  return (headers) => {
    for (const { name, value } of setting) headers.set(name, value);
    for (const { name, value } of adding) headers.append(name, value);
    for (const name of removing) headers.remove(name);
  };
}

function redirect(to: Redirect, prefix: string, policy: string): Filter {
  return {
    onRequest(ex): Reply {
      const path = to.path === undefined ? ex.path : changePath(ex.path, to.path, prefix);
      const location = redirectOrigin(to, ex) + path + (ex.query === '' ? '' : `?${ex.query}`);
      return { code: 'REDIRECT', status: to.statusCode, headers: [['location', location]], policy };
    },
  };
}

const wellKnownPorts = { http: 80, https: 443 } as const;

/**
 * `scheme://host:port` of a redirect; '' when it stays where it is, so that a relative location (RFC 9110 section 10.2.2)
 * is right also behind something that ends TLS.
 */
function redirectOrigin({ scheme, hostname, port }: Redirect, ex: Exchange): string {
  if (scheme === undefined && hostname === undefined && port === undefined) return '';
  const newScheme = scheme ?? 'http';
  // The Gateway API: with a scheme its well-known port, otherwise the one that was asked.
  const newPort = port ?? (scheme === undefined ? askedPort(ex) : undefined);
  const suffix = newPort === undefined || newPort === wellKnownPorts[newScheme] ? '' : `:${newPort}`;
  return `${newScheme}://${hostname ?? ex.host}${suffix}`;
}

function askedPort(ex: Exchange): number | undefined {
  const found = /:([0-9]{1,5})$/.exec(ex.request.get('host') ?? '');
  return found === null ? undefined : Number(found[1]);
}

/** The Gateway API: requests of a rule none of whose backends can take them are answered with 500. */
function noBackend(policy: string): Filter {
  const reply: Reply = { code: 'NO_BACKEND', status: errors.NO_BACKEND.http, headers: [], policy };
  return { onRequest: () => reply };
}

/** Runs after any TimeoutPolicy and overrules it, also towards more time. */
function timeouts({ requestMs, backendRequestMs }: NonNullable<RouteRule['timeouts']>, origin: string): Filter {
  return {
    onRequest(ex) {
      ex.timesFrom = origin;
      if (requestMs !== undefined) ex.deadlineMs = requestMs === 0 ? Number.POSITIVE_INFINITY : ex.startMs + requestMs;
      if (backendRequestMs !== undefined) ex.attemptTimeoutMs = backendRequestMs || Number.POSITIVE_INFINITY;
      return undefined;
    },
  };
}
