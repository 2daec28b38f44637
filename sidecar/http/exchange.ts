import { type ErrorCode, errors } from '../../lib/errors.ts';
import { NO_GRPC_STATUS } from '../../lib/grpc-status.ts';
import type { Endpoint as EndpointView, Exchange, Headers, Outcome, Reply } from '../../policies/policy.ts';
import type { CompiledRule, Destination, Snapshot } from '../snapshot/snapshot.ts';
import { beginRecord, newRecord } from '../telemetry/record.ts';
import type { Edge, ExchangeRecord } from '../telemetry/telemetry.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { ListenerContext } from './context.ts';
import { isGrpc } from './grpc/call.ts';
import { Fields } from './message/fields.ts';
import { Head } from './message/head.ts';
import { RequestInfo } from './message/request.ts';
import type { ResponseInfo } from './message/response.ts';

/** The end of an exchange that faces the caller. What it says is put out at the end of the turn. */
export interface Downstream {
  /** The head of the attempt's response; its body follows by sendBody and sendEnd. */
  sendResponse(ex: HttpExchange, upstream: Upstream): void;
  /** A whole response of the mesh's own. */
  sendReply(ex: HttpExchange, reply: Reply): void;
  /** A 1xx response. */
  sendInterim(upstream: Upstream): void;
  sendBody(buf: Buffer, start: number, end: number): void;
  /** `trailers`: fields after the body, where there is a place for them; gone when this returns. `own`: the mesh's. */
  sendEnd(trailers?: Head, own?: boolean): void;
  /** The response cannot be completed: ends so that the caller can tell. */
  reset(): void;
  /** The request's body: no more for now. */
  pauseBody(): void;
  resumeBody(): void;
  /** True while more response should wait; `onDownstreamDrained` follows. */
  readonly congested: boolean;
  /** Octets of the response that wait because the caller does not take them. */
  readonly buffered: number;
  /** SPIFFE ID of the caller; '' for none. */
  readonly peer: string;
  /** IP address of the caller. */
  readonly address: string;
  /** What the app is told of the caller when nobody was before it: whole field lines. */
  readonly forwarded: string;
}

/** One attempt's stream to an endpoint. */
export interface Upstream {
  /** Of the response, once it is there. */
  readonly head: Head;
  readonly info: ResponseInfo;
  readonly fields: Fields;
  /** SPIFFE ID that the endpoint proved; '' over plain text. */
  readonly peer: string;
  /** The connection has carried another request before, so that the endpoint may have closed it just now. */
  readonly reused: boolean;
  /** Not one octet of the response has come. */
  readonly unanswered: boolean;
  /** Not one octet of the request has left. */
  readonly unsent: boolean;
  sendRequest(ex: HttpExchange): void;
  sendBody(buf: Buffer, start: number, end: number): void;
  /** `trailers`: fields after the body, for endpoints whose protocol has a place for them; gone when this returns. */
  sendEnd(trailers?: Head): void;
  /** The response: no more for now. */
  pause(): void;
  resume(): void;
  /** True while more of the request should wait; `onUpstreamDrained` follows. */
  readonly congested: boolean;
  /** Octets of the request that wait because the endpoint does not take them. */
  readonly buffered: number;
  /** Gives the attempt up. No further word of it comes. */
  cancel(): void;
  /** The answer is not wanted: reads to its end, if that is near, so that the connection can go on. */
  discard(): void;
}

/** Where an exchange is: what can still be said downstream follows from it. */
export type Zone =
  /** Nothing is known but the head. */
  | 'head'
  /** A route is known, nothing has been sent downstream: any reply is possible. */
  | 'routed'
  /** The response has begun: only to end or to break it is left. */
  | 'answering'
  | 'over';

const noFields = new Fields(new Head());

/** One request and its response. One object a connection, used again for each request. */
export class HttpExchange implements Exchange {
  readonly context: ListenerContext;
  readonly downstream: Downstream;
  readonly head = new Head();
  readonly info = new RequestInfo();
  readonly record: ExchangeRecord = newRecord();
  request: Fields = new Fields(this.head);
  response: Headers = noFields;
  zone: Zone = 'over';
  method = '';
  host = '';
  port = 0;
  path = '';
  query = '';
  status = 0;
  startMs = 0;
  attempts = 0;
  deadlineMs = Number.POSITIVE_INFINITY;
  /** A gRPC call: its callers look for the status in trailers. */
  grpc = false;
  /** Monotonic ms by which a gRPC caller has given up, whether it is being answered or not; Infinity: it never says. */
  callDeadlineMs = Number.POSITIVE_INFINITY;
  attemptTimeoutMs = Number.POSITIVE_INFINITY;
  attemptDeadlineMs = Number.POSITIVE_INFINITY;
  holdBytes = 0;
  idleTimeoutMs = 0;
  timesFrom = '';
  connectTimeoutMs = 1000;
  /** Monotonic ms of the last octet in either direction. */
  movedMs = 0;

  snapshot: Snapshot | undefined;
  rule: CompiledRule | undefined;
  destination: Destination | undefined;
  edge: Edge | undefined;
  endpoint: Endpoint<Upstream> | undefined;
  upstream: Upstream | undefined;
  tried: EndpointView[] = [];
  readonly outcome: { -readonly [K in keyof Outcome]: Outcome[K] } = {
    status: 0,
    error: undefined,
    reusedConnection: false,
    response: undefined,
    grpcStatus: NO_GRPC_STATUS,
  };
  /** Ends the wait for a connection or for the time of the next attempt. */
  cancelWait: (() => void) | undefined;
  /** Grows with each exchange and attempt, so that what comes late finds out that it is late. */
  turn = 0;

  rewrittenPath: string | undefined;
  rewrittenHost: string | undefined;

  /** All of the request's body has come. */
  requestDone = false;
  /** The endpoint has said all that it has to say into a tunnel; the caller has not. */
  responseDone = false;
  /** Fields that came behind it, kept for an attempt that cannot have them yet, or for another one. */
  trailers: Head | undefined;
  /** Body octets kept for this or another attempt. */
  held: Buffer[] = [];
  heldOctets = 0;
  /** False once body octets have been let go. */
  heldAll = true;

  constructor(context: ListenerContext, downstream: Downstream) {
    this.context = context;
    this.downstream = downstream;
  }

  get direction(): 'inbound' | 'outbound' {
    return this.context.direction;
  }

  get peer(): string {
    return this.downstream.peer;
  }

  get replayable(): boolean {
    return this.heldAll;
  }

  rewritePath(path: string): void {
    this.rewrittenPath = path;
  }

  rewriteHost(host: string): void {
    this.rewrittenHost = host;
  }

  /** Octets of bodies that are kept for it, in either direction. */
  get buffered(): number {
    return this.heldOctets + this.downstream.buffered + (this.upstream?.buffered ?? 0);
  }

  /** Makes the object new for a request whose head has been scanned. */
  begin(nowMs: number): void {
    this.turn++;
    this.zone = 'head';
    this.request.edits = null;
    this.response = noFields;
    this.status = 0;
    this.startMs = nowMs;
    this.movedMs = nowMs;
    this.attempts = 0;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.grpc = this.info.framing !== 'tunnel' && isGrpc(this.head, this.info);
    this.callDeadlineMs = Number.POSITIVE_INFINITY;
    this.attemptTimeoutMs = Number.POSITIVE_INFINITY;
    this.attemptDeadlineMs = Number.POSITIVE_INFINITY;
    this.holdBytes = 0;
    this.idleTimeoutMs = this.context.limits.streamIdleMs;
    this.timesFrom = '';
    this.connectTimeoutMs = 1000;
    this.rule = undefined;
    this.destination = undefined;
    this.endpoint = undefined;
    this.snapshot = undefined;
    this.rewrittenPath = undefined;
    this.rewrittenHost = undefined;
    if (this.tried.length > 0) this.tried = [];
    this.requestDone = this.info.framing === 'none';
    this.responseDone = false;
    this.trailers = undefined;
    this.dropHeld();
    this.heldAll = true;
    beginRecord(this.record, this.downstream, nowMs);
  }

  /** It is over and accounted for: an idle connection need not hold what may be long. */
  rest(): void {
    this.path = '';
    this.query = '';
    this.rewrittenPath = undefined;
    this.record.path = '';
    this.record.detail = '';
  }

  /** What the request says cannot be believed: it is refused before it has been understood. */
  forget(): void {
    this.grpc = false;
    this.requestDone = false;
    this.method = '';
    this.host = '';
    this.path = '';
    this.query = '';
    const { record } = this;
    record.method = '';
    record.host = '';
    record.path = '';
    record.requestId = '';
    record.traceId = '';
    record.sampled = false;
  }

  /** Keeps body octets for an attempt that cannot have them yet, or for another one. */
  hold(buf: Buffer, start: number, end: number): void {
    this.held.push(Buffer.from(buf.subarray(start, end)));
    this.heldOctets += end - start;
  }

  /** Monotonic ms at which attempt.onDeadline is due. */
  get dueMs(): number {
    return Math.min(this.deadlineMs, this.attemptDeadlineMs, this.movedMs + this.idleTimeoutMs);
  }

  /** From now on nothing is kept for another attempt. */
  letGo(): void {
    this.heldAll = false;
    this.dropHeld();
  }

  dropHeld(): void {
    if (this.held.length > 0) this.held = [];
    this.heldOctets = 0;
  }
}

/** A reply with a row of the error table. */
export const errorReply = (code: ErrorCode, detail = '', policy = ''): Reply => ({
  code,
  status: errors[code].http,
  headers: [],
  policy,
  ...(detail === '' ? {} : { detail }),
});
