import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
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
  /** Where the token came from. Read again when Consul refuses it, so that whoever replaces a token need not restart us. */
  readonly tokenFile?: string;
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
type Send = (consul: Consul, options: CommonOptions) => Promise<unknown>;
type StatusAnswer = Answer<unknown> & { readonly status: number };

interface Response {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** The `consul` package with a time limit on every request, errors that say what has happened, and an end. */
export class ConsulClient {
  /** Where it connects to, for messages. */
  readonly address: string;
  readonly #consul: Consul;
  readonly #tokenFile: string | undefined;
  #token: string | undefined;
  readonly #running = new Set<EventEmitter>();
  #closed = false;

  constructor({ address, token, tokenFile }: ConsulOptions) {
    this.address = typeof address === 'string' ? address : formatAddress(address);
    this.#token = token;
    this.#tokenFile = tokenFile;
    this.#consul = new Consul(connectOptions(this.address));
    endBrokenAnswers(this.#consul as unknown as Extensible);
  }

  /** Sends what `send` calls, with the options that it must pass on. Throws ConsulError. */
  async request(send: Send, read: Read = {}): Promise<StatusAnswer> {
    const token = this.#token;
    try {
      return await this.#send(send, read, token);
    } catch (thrown) {
      // Refused is not done, so it may be sent again.
      if (!(thrown instanceof ConsulError) || thrown.status !== 403 || !(await this.#replaced(token))) throw thrown;
      return this.#send(send, read, this.#token);
    }
  }

  /** True when there is another token by now than the one that was refused. */
  async #replaced(refused: string | undefined): Promise<boolean> {
    if (this.#token !== refused) return true;
    if (this.#tokenFile === undefined) return false;
    // A file that is away is as good as one that has not changed: the refusal says what to put where.
    const found = await readFile(this.#tokenFile, 'utf8').catch(() => '');
    if (found.trim() === '' || found.trim() === refused) return false;
    this.#token = found.trim();
    return true;
  }

  async #send(
    send: Send,
    { consistent, index, waitMs, signal }: Read,
    token: string | undefined,
  ): Promise<StatusAnswer> {
    if (this.#closed) throw new ConsulError('unreachable', 'the connection to Consul has been closed');
    const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
    const cancel = (): void => void ctx.emit('cancel');
    this.#running.add(ctx);
    signal?.addEventListener('abort', cancel, { once: true });
    // Consul adds up to a sixteenth to the wait, so that not all wake at once.
    const timeout = answerMs + (waitMs ?? 0) * 1.1;
    const blocking = index === undefined || waitMs === undefined ? {} : { index, wait: `${waitMs}ms` };
    try {
      const chosen = { ...(consistent === true ? { consistent } : {}), ...(token === undefined ? {} : { token }) };
      const options = { ctx, timeout, ...blocking, ...chosen };
      const sent = await send(this.#consul, options);
      // An error that is not of its own realm is taken for a result by the package.
      if (!Array.isArray(sent)) throw sent;
      const [response, value] = sent as [Response, unknown];
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

/** What the package calls with each request that it is about to send. */
interface Extensible {
  _ext(event: 'onRequest', extension: (request: { transport: Transport }, next: () => void) => void): void;
}
interface Transport {
  request(options: RequestOptions): ClientRequest;
}

/** The package does not notice when a connection breaks off within an answer, and would wait until the time is over. */
function endBrokenAnswers(consul: Extensible): void {
  consul._ext('onRequest', (request, next) => {
    const { transport } = request;
    request.transport = {
      request(options) {
        const sent = transport.request(options);
        const ended = (answer: IncomingMessage): void => {
          if (!answer.complete) sent.emit('error', new Error('the connection broke off within the answer'));
        };
        return sent.once('response', (answer) => answer.once('close', () => ended(answer)));
      },
    };
    next();
  });
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
  // What began well and broke off is no answer.
  if (response !== undefined && response.statusCode >= 300) {
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
    return '; the ACL token is missing, revoked or may not do this: put one into --consul-token-file that may write keys and register services: it is read again';
  if (/no cluster leader|rpc error/i.test(text))
    return '; more than half of its servers must run and reach each other: look at them with `consul operator raft list-peers`';
  return '';
}
