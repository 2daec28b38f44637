import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Issue } from '../../lib/issues.ts';
import { issueText } from '../../policies/issue-text.ts';
import { pathText } from '../../policies/parse.ts';
import { ApiError } from './problem.ts';

/** What came in, before anything of it is believed. */
export interface Given {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** The query as it came, for what is passed on. */
  readonly search: string;
  readonly body: unknown;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** One row of the API: the server dispatches by it, the OpenAPI document is made of it. */
export interface Row {
  readonly method: 'GET' | 'POST';
  /** `{name}` stands for one segment, `{rest*}` at the end for whatever follows. */
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Schema of the JSON that is replied; absent for rows that write the response themselves. */
  readonly reply?: z.ZodType;
  /** Media type of what a row without `reply` writes. */
  readonly content?: string;
  /** Needs no token: for probes, which have none. */
  readonly open?: true;
  /** People open it in a browser, which knows no bearer tokens: it may send the token as a password. */
  readonly page?: true;
  /** Gives what is replied as JSON. */
  readonly run: (given: Given) => unknown;
}

type Empty = z.ZodObject<Record<never, never>>;

/** A row that replies with JSON. Its handler gets what was parsed, and nothing else. */
export function json<R extends z.ZodType, Q extends z.ZodObject = Empty, B extends z.ZodType = z.ZodUndefined>(row: {
  readonly method: Row['method'];
  readonly path: string;
  readonly summary: string;
  readonly query?: Q;
  readonly body?: B;
  readonly reply: R;
  readonly open?: true;
  readonly handle: (given: {
    readonly params: Given['params'];
    readonly query: z.output<Q>;
    readonly body: z.output<B>;
  }) => z.output<R> | Promise<z.output<R>>;
}): Row {
  const { handle, ...rest } = row;
  return {
    ...rest,
    run: ({ params, query, body }) =>
      handle({
        params,
        query: parse(row.query, query, 'query') as z.output<Q>,
        body: parse(row.body, body, '') as z.output<B>,
      }),
  };
}

/** A row that writes its response itself: a stream, or what somebody else answered. */
export const raw = (row: Omit<Row, 'method' | 'reply' | 'body' | 'run'> & { readonly run: Row['run'] }): Row => ({
  method: 'GET',
  ...row,
});

/** Throws ApiError BAD_REQUEST with every problem. */
function parse(schema: z.ZodType | undefined, input: unknown, base: string): unknown {
  if (schema === undefined) {
    const unknown = base === 'query' ? Object.keys(input as object) : [];
    if (unknown.length > 0)
      throw invalid(unknown.map((key) => ({ path: `query.${key}`, message: 'is not known here' })));
    return undefined;
  }
  const parsed = schema.safeParse(input, { error: issueText });
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue): Issue[] => {
      const path = pathText(base, issue.path);
      if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
      return issue.keys.map((key) => ({ path: pathText(path, [key]), message: 'is not known here' }));
    }),
  );
}

const invalid = (issues: readonly Issue[]): ApiError => new ApiError('BAD_REQUEST', undefined, { issues });

/** The rows, ready to be looked up. */
export function matcher(
  rows: readonly Row[],
): (method: string, path: string) => { readonly row: Row; readonly params: Record<string, string> } {
  const compiled = rows.map((row) => ({ row, pattern: patternOf(row.path) }));
  return (method, path) => {
    const there = compiled.filter(({ pattern }) => pattern.test(path));
    if (there.length === 0) throw new ApiError('NOT_FOUND', 'GET /openapi.json lists what there is');
    // RFC 9110 section 9.3.2: HEAD is GET without the content. A stream has no end, so it has no HEAD.
    const found = there.find(
      ({ row }) => row.method === method || (method === 'HEAD' && row.reply && row.method === 'GET'),
    );
    if (found === undefined) {
      const allow = [...new Set(there.map(({ row }) => row.method))].join(', ');
      throw new ApiError('METHOD_NOT_ALLOWED', `this path takes ${allow}`, { headers: { allow } });
    }
    return { row: found.row, params: decodeAll(found.pattern.exec(path)?.groups ?? {}) };
  };
}

const patternOf = (path: string): RegExp => {
  const source = path
    .replaceAll('.', '\\.')
    .replace(/\{(\w+)\*\}/g, '(?<$1>.*)')
    .replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return new RegExp(`^${source}$`);
};

function decodeAll(groups: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(
      // The rest is passed on as it came.
      Object.entries(groups).map(([name, value]) => [name, name === 'rest' ? value : decodeURIComponent(value)]),
    );
  } catch {
    throw new ApiError('BAD_REQUEST', 'the path has a broken % escape');
  }
}
