import type { ErrorCode } from '../../lib/errors.ts';
import type { Exchange, Headers, Outcome } from '../../policies/policy.ts';

/** Header fields from a list of pairs. */
class ListHeaders implements Headers {
  #list: (readonly [name: string, value: string])[];

  constructor(list: readonly (readonly [name: string, value: string])[] = []) {
    this.#list = [...list];
  }

  get list(): readonly (readonly [name: string, value: string])[] {
    return this.#list;
  }

  get(name: string): string | undefined {
    return this.#list.find(([other]) => other === name)?.[1];
  }

  all(name: string): readonly string[] {
    return this.#list.filter(([other]) => other === name).map(([, value]) => value);
  }

  set(name: string, value: string): void {
    this.remove(name);
    this.append(name, value);
  }

  append(name: string, value: string): void {
    this.#list.push([name, value]);
  }

  remove(name: string): void {
    this.#list = this.#list.filter(([other]) => other !== name);
  }
}

export interface PlainExchange extends Exchange {
  readonly request: ListHeaders;
  readonly response: ListHeaders;
  readonly rewrites: { path?: string; host?: string };
}

/** An exchange without sockets, for filters under test: `GET http://web/` unless told otherwise. */
export function exchange(
  given: Partial<Omit<Exchange, 'request' | 'response'>> & {
    readonly headers?: readonly (readonly [name: string, value: string])[];
  } = {},
): PlainExchange {
  const { headers = [], ...rest } = given;
  const rewrites: { path?: string; host?: string } = {};
  return {
    direction: 'outbound',
    method: 'GET',
    host: 'web',
    path: '/',
    query: '',
    status: 0,
    peer: '',
    startMs: 0,
    replayable: true,
    attempts: 1,
    deadlineMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
    holdBytes: 0,
    idleTimeoutMs: Number.POSITIVE_INFINITY,
    timesFrom: '',
    connectTimeoutMs: Number.POSITIVE_INFINITY,
    rewritePath: (path) => void Object.assign(rewrites, { path }),
    rewriteHost: (host) => void Object.assign(rewrites, { host }),
    ...rest,
    request: new ListHeaders(headers),
    response: new ListHeaders(),
    rewrites,
  };
}

/** How an attempt ended: a status, or an error code of the table. */
export function outcome(
  ended: number | ErrorCode,
  more: {
    readonly reusedConnection?: boolean;
    readonly response?: readonly (readonly [string, string])[];
    readonly grpcStatus?: number;
  } = {},
): Outcome {
  return {
    status: typeof ended === 'number' ? ended : 0,
    error: typeof ended === 'number' ? undefined : ended,
    reusedConnection: more.reusedConnection ?? false,
    response: typeof ended === 'number' || more.response ? new ListHeaders(more.response) : undefined,
    grpcStatus: more.grpcStatus ?? -1,
  };
}
