import { EventEmitter } from 'node:events';
import Consul from 'consul';
import { type Address, formatAddress, parseAddress } from '../../lib/address.ts';
import { messageOf } from '../../lib/errors.ts';

/** How long Consul may take to answer, ms; for a blocking query in addition to what it was told to wait. */
const answerMs = 5000;

export interface ConsulOptions {
  /** `host:port`, `unix:PATH`, `http://host:port` or `https://host:port` of a Consul agent. */
  readonly address: string | Address;
  /** ACL token. */
  readonly token?: string;
}

/** How to read. Without `index` Consul answers at once; with it, when something is newer or after `waitMs`. */
export interface Read {
  readonly consistent?: boolean;
  readonly index?: number;
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

export interface Answer<T> {
  readonly value: T;
  /** X-Consul-Index: what to give as `index` to hear of what is newer. 0 where there is none. */
  readonly index: number;
}

/**
 * - `unreachable`: the request was never sent
 * - `refused`: Consul answered that it did not do it
 * - `unknown`: it was sent, and whether it was done is not known
 */
export type ConsulErrorKind = 'unreachable' | 'refused' | 'unknown';

export class ConsulError extends Error {
  override readonly name = 'ConsulError';
  readonly kind: ConsulErrorKind;
  /** HTTP status and body, where there was an answer. */
  readonly status: number | undefined;
  readonly body: unknown;

  constructor(
    kind: ConsulErrorKind,
    message: string,
    answer: { status?: number; body?: unknown; cause?: unknown } = {},
  ) {
    super(message, { cause: answer.cause });
    this.kind = kind;
    this.status = answer.status;
    this.body = answer.body;
  }
}

/** What is passed on to the functions of the package: its common options, under the names that it has for them. */
type CommonOptions = Record<string, unknown>;

interface Response {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** The `consul` package with a time limit on every request, errors that say what has happened, and an end. */
export class ConsulClient {
  /** Where it connects to, for messages. */
  readonly address: string;
  readonly #consul: Consul;
  readonly #running = new Set<EventEmitter>();
  #closed = false;

  constructor({ address, token }: ConsulOptions) {
    this.address = typeof address === 'string' ? address : formatAddress(address);
    const options = { ...connectOptions(this.address), ...(token === undefined ? {} : { defaults: { token } }) };
    this.#consul = new Consul(options);
  }

  /** Sends what `send` calls, with the options that it must pass on. Throws ConsulError. */
  async request(
    send: (consul: Consul, options: CommonOptions) => Promise<unknown>,
    { consistent, index, waitMs, signal }: Read = {},
  ): Promise<Answer<unknown> & { readonly status: number }> {
    if (this.#closed) throw new ConsulError('unreachable', 'the connection to Consul has been closed');
    const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
    const cancel = (): void => void ctx.emit('cancel');
    this.#running.add(ctx);
    signal?.addEventListener('abort', cancel, { once: true });
    // Consul adds up to a sixteenth to the wait, so that not all wake at once.
    const timeout = answerMs + (waitMs ?? 0) * 1.1;
    const blocking = index === undefined || waitMs === undefined ? {} : { index, wait: `${waitMs}ms` };
    try {
      const options = { ctx, timeout, ...blocking, ...(consistent === true ? { consistent } : {}) };
      const [response, value] = (await send(this.#consul, options)) as [Response, unknown];
      // An agent without servers may answer from nothing: that is not the word of the catalog or the log.
      if (response.headers['x-consul-knownleader'] === 'false') {
        throw new ConsulError('unknown', 'the Consul cluster has no leader');
      }
      return { value, index: Number(response.headers['x-consul-index'] ?? 0), status: response.statusCode };
    } catch (thrown) {
      throw consulError(thrown, this.address);
    } finally {
      this.#running.delete(ctx);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Ends what is under way, with an error for whoever waits for it. */
  close(): void {
    this.#closed = true;
    for (const ctx of [...this.#running]) ctx.emit('cancel');
    this.#consul.destroy();
  }
}

/** Throws RangeError for an address that is none. */
function connectOptions(address: string): Record<string, unknown> {
  if (/^https?:\/\//.test(address)) {
    if (!URL.canParse(address)) throw new RangeError(`'${address}' is not a URL`);
    const { origin } = new URL(address);
    return { baseUrl: `${origin}/v1` };
  }
  const parsed = parseAddress(address);
  if (parsed === undefined) {
    throw new RangeError(
      `'${address}' is not the address of a Consul agent, such as 127.0.0.1:8500 or https://consul:8501`,
    );
  }
  if ('path' in parsed) return { socketPath: parsed.path, baseUrl: 'http://localhost/v1' };
  return { baseUrl: `http://${formatAddress(parsed)}/v1` };
}

const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EACCES',
]);

function consulError(thrown: unknown, address: string): ConsulError {
  if (thrown instanceof ConsulError) return thrown;
  const { code, response } = thrown as { code?: string; response?: { statusCode: number; body?: unknown } };
  if (response !== undefined) {
    const { statusCode: status, body } = response;
    const text = Buffer.isBuffer(body) || typeof body === 'string' ? String(body).trim().slice(0, 300) : '';
    // Without a leader nothing was even proposed; any other 5xx may come after the write.
    const kind = status < 500 || status === 503 || /no cluster leader/i.test(text) ? 'refused' : 'unknown';
    const message = `Consul at ${address} answered ${status}${text === '' ? '' : `: ${text}`}${adviceOn(status, text)}`;
    return new ConsulError(kind, message, { status, body, cause: thrown });
  }
  const kind = code !== undefined && neverSent.has(code) ? 'unreachable' : 'unknown';
  const advice = kind === 'unreachable' ? '; start it, or check --consul-address' : '';
  return new ConsulError(kind, `Consul at ${address} cannot be reached: ${messageOf(thrown)}${advice}`, {
    cause: thrown,
  });
}

/** What to do about an answer that is no better the next time. */
function adviceOn(status: number, text: string): string {
  if (status === 403)
    return '; the ACL token is missing, revoked or may not do this: put one into --consul-token-file that may write keys and register services, and restart';
  if (/no cluster leader|rpc error/i.test(text))
    return '; more than half of its servers must run and reach each other: look at them with `consul operator raft list-peers`';
  return '';
}
