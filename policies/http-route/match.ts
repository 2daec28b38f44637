import type { Exchange, Match } from '../policy.ts';
import { prefixTest } from './path.ts';
import { queryValue } from './query.ts';
import type { FullMatch, RegexEngine } from './regex.ts';
import type { RouteMatch, ValueMatch } from './spec.ts';

type Condition = (ex: Exchange) => boolean;

/** Compiles one match. `engine` is there when the spec has a regular expression. */
export function compileMatch(match: RouteMatch, engine: RegexEngine | undefined): Match {
  const { path, method } = match;
  // The Gateway API: of entries with equivalent names only the first counts.
  const headers = firstOfEach(match.headers, (name) => name.toLowerCase());
  const queryParams = firstOfEach(match.queryParams, (name) => name);
  const conditions: Condition[] = [];
  if (method !== undefined) conditions.push((ex) => ex.method === method);
  const pathHolds = pathCondition(path, engine);
  if (pathHolds !== undefined) conditions.push(pathHolds);
  for (const header of headers) {
    const name = header.name.toLowerCase();
    const test = valueTest(header, engine);
    conditions.push((ex) => {
      const value = headerValue(ex, name);
      return value !== undefined && test(value);
    });
  }
  for (const param of queryParams) {
    const test = valueTest(param, engine);
    conditions.push((ex) => {
      const value = queryValue(ex.query, param.name);
      return value !== undefined && test(value);
    });
  }
  return { rank: rankOf(match, headers.length, queryParams.length), matches: allOf(conditions) };
}

/** undefined: every path will do. Throws for a type that this sidecar does not know: taking it for any path is not safe. */
function pathCondition({ type, value }: RouteMatch['path'], engine: RegexEngine | undefined): Condition | undefined {
  switch (type) {
    case 'Exact':
      return (ex) => ex.path === value;
    case 'PathPrefix': {
      if (value === '/') return undefined;
      const test = prefixTest(value);
      return (ex) => test(ex.path);
    }
    case 'RegularExpression': {
      const test = expression(value, engine);
      return (ex) => test(ex.path);
    }
    default:
      throw unknownType(type);
  }
}

/** Most matches have one condition or two; those cost no loop. */
function allOf(conditions: readonly Condition[]): Condition {
  const [first, second] = conditions;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (conditions.length === 2) return (ex) => first(ex) && second(ex);
  return (ex) => {
    for (const holds of conditions) if (!holds(ex)) return false;
    return true;
  };
}

/**
 * One number that orders as the Gateway API says: kind of path, its length, method, number of headers, of parameters.
 * It leaves the place of expressions open; they come between, so that a catch-all prefix does not hide them.
 */
function rankOf({ path, method }: RouteMatch, headers: number, queryParams: number): number {
  const kind = path.type === 'Exact' ? 2 : path.type === 'RegularExpression' ? 1 : 0;
  // `/shop/` and `/shop` are the same prefix.
  const length = path.type === 'PathPrefix' ? path.value.replace(/\/$/, '').length : path.value.length;
  let rank = kind;
  rank = rank * 2048 + length;
  rank = rank * 2 + (method === undefined ? 0 : 1);
  rank = rank * 32 + headers;
  return rank * 32 + queryParams;
}

/** RFC 9110 section 5.3: fields of one name mean the same as one field with their values joined by commas. */
function headerValue(ex: Exchange, name: string): string | undefined {
  const values = ex.request.all(name);
  return values.length > 1 ? values.join(', ') : values[0];
}

function valueTest({ type, value }: ValueMatch, engine: RegexEngine | undefined): FullMatch {
  if (type === 'Exact') return (text) => text === value;
  if (type === 'RegularExpression') return expression(value, engine);
  throw unknownType(type);
}

const unknownType = (type: never): Error => new Error(`this sidecar does not know matches of type ${String(type)}`);

function expression(text: string, engine: RegexEngine | undefined): FullMatch {
  if (engine === undefined) throw new Error('prepare was not awaited before a route with an expression was compiled');
  return engine.compile(text);
}

function firstOfEach(entries: readonly ValueMatch[], same: (name: string) => string): readonly ValueMatch[] {
  const byName = new Map<string, ValueMatch>();
  for (const entry of entries) if (!byName.has(same(entry.name))) byName.set(same(entry.name), entry);
  return [...byName.values()];
}
