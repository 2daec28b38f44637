import type { ErrorCode } from '../../../lib/errors.ts';
import * as attempt from '../attempt.ts';
import type { HttpExchange, Upstream } from '../exchange.ts';
import * as flow from '../flow.ts';
import { droppedOfRequest } from '../hop-fields.ts';
import type { Fields } from '../message/fields.ts';
import type { Head } from '../message/head.ts';
import type { ResponseInfo } from '../message/response.ts';
import { SWITCHED } from '../tunnel.ts';
import type { H2Client } from './client.ts';
import { CANCEL, PROTOCOL_ERROR, REFUSED_STREAM } from './constants.ts';
import { readResponse } from './response.ts';
import { Stream } from './stream.ts';
import { writeRequest } from './write-request.ts';
import { writeTrailers } from './write-response.ts';

/** 1xx responses to one request; more is an attempt to keep us busy. */
const MAX_INTERIM = 8;

/** One request to an endpoint that speaks HTTP/2, and its response. Used again for other streams of the connection. */
export class ClientStream extends Stream implements Upstream {
  readonly #client: H2Client;
  #ex: HttpExchange | undefined;
  #bodiless = false;
  /** This response can have none: by its status, or because it was HEAD that was asked. */
  #noBody = false;
  #interim = 0;
  /** The head of the response has come. */
  answered = false;
  unanswered = true;
  unsent = false;
  reused = false;
  /** Since when nothing has moved of what an exchange that is over has left to send, and how much that is. */
  #restsSinceMs = 0;
  #left = 0;

  constructor(client: H2Client) {
    super(client);
    this.#client = client;
  }

  get peer(): string {
    return this.#client.peer;
  }
  get head(): Head {
    return this.#client.head;
  }
  get info(): ResponseInfo {
    return this.#client.info;
  }
  get fields(): Fields {
    return this.#client.fields;
  }

  sendRequest(ex: HttpExchange): void {
    this.#ex = ex;
    this.#bodiless = ex.method === 'HEAD';
    this.#interim = 0;
    this.answered = false;
    this.unanswered = true;
    this.unsent = false;
    this.reused = this.#client.served > 1;
    if (ex.info.framing === 'tunnel' && !this.session.peerConnects) {
      this.#unable(ex);
      return;
    }
    writeRequest(this.#client.out, ex, this.id, this.#client.secure);
    if (ex.info.framing === 'none') this.closeLocal();
  }

  /** RFC 8441 section 3: not to be asked of who has not offered it. Said later, as every outcome of an attempt is. */
  #unable(ex: HttpExchange): void {
    const text = 'the endpoint takes no extended CONNECT';
    this.unsent = true;
    const { session, id } = this;
    setImmediate(() =>
      session.loop.turn(() => this.#ex === ex && this.id === id && session.close(this, PROTOCOL_ERROR, text)),
    );
  }

  sendBody(buf: Buffer, start: number, end: number): void {
    if (end > start) this.sendData(buf, start, end);
  }

  sendEnd(trailers?: Head): void {
    // The other half of a tunnel, whose exchange is over with it.
    if (this.remoteClosed) this.#ex = undefined;
    this.sendLast(trailers);
    if (this.remoteClosed && this.buffered > 0) this.#outlive();
  }

  /** The exchange is over, and with it whoever watched its time; not all of it has been sent. */
  #outlive(): void {
    this.#restsSinceMs = this.session.loop.nowMs;
    this.#left = this.buffered;
    this.#client.outliving.add(this);
  }

  onDeadline(nowMs: number): void {
    if (this.buffered !== this.#left) {
      this.#restsSinceMs = nowMs;
      this.#left = this.buffered;
    } else if (this.#restsSinceMs + this.session.limits.tunnelHalfClosedMs <= nowMs) this.reset(CANCEL);
  }

  putTrailers(trailers: Head): void {
    writeTrailers(this.#client.out, trailers, droppedOfRequest(this.#ex!), this.id);
  }

  cancel(): void {
    this.#ex = undefined;
    // The endpoint has never heard of a stream that was not opened, and would take its reset for an error.
    if (this.unsent) this.session.close(this);
    else this.reset(CANCEL);
  }

  discard(): void {
    // Of a stream that both ends have closed nothing is left to cancel. RFC 9113 section 5.1.
    if (this.remoteClosed && this.localClosed) {
      this.#ex = undefined;
      this.session.close(this);
    } else this.cancel();
  }

  /** A head has been decoded: of a 1xx response, or of the response. */
  onHead(last: boolean): undefined {
    const { head, info } = this;
    this.unanswered = false;
    if (!readResponse(head, info, this.#bodiless, last)) return this.invalid(info.problemText);
    const ex = this.#ex;
    if (head.status < 200) {
      if (last || head.status === 101 || ++this.#interim > MAX_INTERIM)
        return this.invalid('a 1xx response that is none');
      if (ex !== undefined) attempt.onInterim(ex, this);
      return;
    }
    if (ex === undefined) return;
    this.answered = true;
    // RFC 8441 section 5: an extended CONNECT that was accepted is a tunnel from here on.
    if (ex.info.framing === 'tunnel' && head.status < 300 && !last) info.framing = 'tunnel';
    this.#noBody = info.framing === 'none';
    if (info.framing === 'length') this.contentLeft = info.length;
    const { id } = this;
    this.remoteClosed = last;
    attempt.onResponseHead(ex, this);
    // An answer that is tried again has been discarded, and the object may be the next attempt by now.
    if (!last || this.id !== id || this.#ex === undefined) return;
    this.onEnd(undefined);
    if (this.localClosed && this.session.streams.get(id) === this) this.session.close(this);
  }

  onData(buf: Buffer, start: number, end: number): void {
    if (this.#ex === undefined) return;
    if (!this.answered || this.#noBody) this.invalid('a body where none can be');
    else flow.onResponseBody(this.#ex, this, buf, start, end);
  }

  onEnd(trailers: Head | undefined): undefined {
    const ex = this.#ex;
    if (ex === undefined) return;
    if (!this.answered) return this.invalid('a response without a head');
    const tunnel = ex.status === SWITCHED;
    if (!tunnel || ex.requestDone) this.#ex = undefined;
    attempt.onResponseEnd(ex, trailers);
    if (tunnel) {
      if (this.#ex === undefined && this.buffered > 0) this.#outlive();
      return;
    }
    // The response is complete; whatever was still to be sent of the request is not wanted.
    if (!this.localClosed) this.reset(CANCEL);
  }

  onSentAll(): void {}

  onWritable(): void {
    if (this.#ex !== undefined) flow.onUpstreamDrained(this.#ex);
  }

  /** What came is no response of HTTP. */
  invalid(text: string): undefined {
    const ex = this.#ex;
    this.#ex = undefined;
    this.reset(PROTOCOL_ERROR);
    if (ex !== undefined) attempt.onFailure(ex, this, 'UPSTREAM_INVALID', text);
  }

  /** The endpoint has not looked at it. RFC 9113 section 8.7: safe to send again, whatever it is. */
  refused(text: string): void {
    this.unsent = true;
    this.unanswered = true;
    this.session.close(this, REFUSED_STREAM, text);
  }

  onGone(code: number, text: string): void {
    const ex = this.#ex;
    this.#ex = undefined;
    if (ex === undefined) return;
    if (code === REFUSED_STREAM && !this.answered) {
      this.unsent = true;
      this.reused = true;
    }
    const failed: ErrorCode = code === PROTOCOL_ERROR ? 'UPSTREAM_INVALID' : 'UPSTREAM_RESET';
    attempt.onFailure(ex, this, failed, text);
  }

  onClosed(): void {
    this.#client.outliving.delete(this);
  }
}
