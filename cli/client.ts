import type { z } from 'zod';
import { problemSchema } from '../proto/api/api.ts';
import { exit, Failure, Refused } from './failure.ts';
import { toIssue } from './format/issue.ts';

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Answer<S extends z.ZodType> {
  readonly reply: z.infer<S>;
  readonly date: number | undefined;
}

const timeoutMs = 15_000;

/** The control plane's HTTP/JSON API. Every answer is checked against the contract before it is believed. */
export class Client {
  readonly server: string;
  readonly #token: string | undefined;

  constructor(server: string, token: string | undefined) {
    this.server = server;
    this.#token = token;
  }

  async get<S extends z.ZodType>(path: string, reply: S, query: Query = {}): Promise<z.infer<S>> {
    return (await this.getDated(path, reply, query)).reply;
  }

  /** Also gives the time by the clock of the control plane, in epoch ms, to the second. */
  getDated<S extends z.ZodType>(path: string, reply: S, query: Query = {}): Promise<Answer<S>> {
    const entries = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    );
    const search = entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`;
    return this.#send(path + search, { method: 'GET' }, reply);
  }

  async post<S extends z.ZodType>(path: string, reply: S, body: unknown): Promise<z.infer<S>> {
    const headers = { 'content-type': 'application/json' };
    return (await this.#send(path, { method: 'POST', headers, body: JSON.stringify(body) }, reply)).reply;
  }

  /** Throws Refused when the control plane says no, Failure with `unreachable` when it does not answer as one. */
  async #send<S extends z.ZodType>(path: string, init: RequestInit, reply: S): Promise<Answer<S>> {
    const headers = new Headers(init.headers);
    headers.set('accept', 'application/json');
    if (this.#token !== undefined) headers.set('authorization', `Bearer ${this.#token}`);
    let response: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      response = await fetch(this.server + path, { ...init, headers, redirect: 'error', signal });
      text = await response.text();
    } catch (error) {
      throw this.#unreachable(error);
    }
    const value = this.#json(response, text);
    if (!response.ok) throw this.#refusal(response, value);
    const parsed = reply.safeParse(value);
    if (parsed.success) {
      const date = Date.parse(response.headers.get('date') ?? '');
      return { reply: parsed.data, date: Number.isNaN(date) ? undefined : date };
    }
    const [first] = parsed.error.issues;
    throw new Failure(
      exit.unreachable,
      `the answer of ${this.server} is not what this version of weft understands (${first?.path.join('.')}: ${first?.message}): compare 'weft version' with the control plane's`,
    );
  }

  #json(response: Response, text: string): unknown {
    const type = response.headers.get('content-type') ?? '';
    try {
      if (/^application\/(?:problem\+)?json/.test(type)) return JSON.parse(text);
    } catch (error) {
      throw new Failure(exit.unreachable, `the answer of ${this.server} is cut off`, { cause: error });
    }
    throw new Failure(
      exit.unreachable,
      `what answers at ${this.server} (status ${response.status}) is not a Weft control plane: check --server`,
    );
  }

  #refusal(response: Response, value: unknown): Failure {
    const parsed = problemSchema.safeParse(value);
    if (!parsed.success) return new Failure(exit.unreachable, `${this.server} answered ${response.status}`);
    const { title, detail, code, issues = [] } = parsed.data;
    const what = detail === undefined ? title : `${title}: ${detail}`;
    if (response.status === 401)
      return new Refused(`${this.server}: ${title}: give it with --token-file FILE or WEFT_TOKEN_FILE`, code, []);
    if (response.status === 503) return new Failure(exit.unreachable, `${this.server}: ${what}`);
    return new Refused(what, code, issues.map(toIssue));
  }

  #unreachable(error: unknown): Failure {
    const { name, cause } = error as { name?: string; cause?: { code?: string; message?: string } };
    const reason =
      name === 'TimeoutError'
        ? `no answer within ${timeoutMs / 1000}s`
        : cause?.code === 'ECONNREFUSED'
          ? 'nothing listens there'
          : (cause?.code ?? cause?.message ?? String(error));
    return new Failure(
      exit.unreachable,
      `cannot reach the control plane at ${this.server}: ${reason}\n` +
        "start one with 'weft up' or 'weft control-plane', or name another with --server URL (WEFT_SERVER)",
      { cause: error },
    );
  }
}
