/** The life of a request, in the order in which it happens. Each step is one call; the details are where they point. */
import { type ErrorCode, messageOf } from '../../lib/errors.ts';
import type { Reply } from '../../policies/policy.ts';
import { REFUSING } from '../limits/overload.ts';
import { matchRule, pickBackend } from '../snapshot/route-table.ts';
import type { CompiledRule, ServiceRoutes } from '../snapshot/snapshot.ts';
import { fail, startAttempt } from './attempt.ts';
import { errorReply, type HttpExchange } from './exchange.ts';
import { limitCall } from './grpc/deadline.ts';
import { isIdempotent } from './message/methods.ts';
import { nameId as known } from './message/names.ts';

/** Octets of a body kept on the last hop, where a retry meets only an idle connection that the app has closed. */
const HOLD_INBOUND = 64 * 1024;

/** 1: the codec has filled the exchange (h1/server.ts). Runs within a turn of the loop. */
export function forward(ex: HttpExchange): void {
  joinTrace(ex);
  if (ex.context.overload.level >= REFUSING) {
    endUnrouted(ex, ex.context.overload.refusal);
    return;
  }
  // 2: what the request is judged by is pinned; a change of configuration meets the next request.
  const snapshot = ex.context.snapshot();
  ex.snapshot = snapshot;
  if (ex.direction === 'inbound') {
    ex.edge = ex.context.edgeOf(ex.peer);
    ex.edge.begin();
    if (isIdempotent(ex.method)) ex.holdBytes = HOLD_INBOUND;
    proceed(ex, snapshot.app);
    return;
  }
  // 3: whom is it for?
  const key = ex.context.serviceOf(ex.host);
  const service = key === undefined ? undefined : snapshot.services.get(key);
  if (service !== undefined) routed(ex, service);
  else if (key === undefined || snapshot.absent.has(key)) unknown(ex, key);
  else firstUse(ex, key);
}

function routed(ex: HttpExchange, service: ServiceRoutes): void {
  ex.edge = service.edge;
  ex.edge.begin();
  if (service.protocol === 'tcp') {
    fail(ex, errorReply('PROTOCOL_MISMATCH', `${service.key} speaks TCP: it is reached by an upstream of its own`));
    return;
  }
  const rule = matchRule(service, ex);
  if (rule === undefined) {
    fail(ex, errorReply('NO_ROUTE', `no rule of ${service.key} matches ${ex.method} ${ex.path}`));
    return;
  }
  ex.record.rule = rule.name;
  proceed(ex, rule);
}

/** 4: the filters, then the first attempt. */
function proceed(ex: HttpExchange, rule: CompiledRule): void {
  ex.rule = rule;
  ex.zone = 'routed';
  let verdict: ReturnType<typeof rule.chain.request>;
  try {
    verdict = rule.chain.request(ex);
  } catch (thrown) {
    fail(ex, errorReply('FILTER_FAILED', messageOf(thrown)));
    return;
  }
  if (verdict !== undefined && 'then' in verdict) later(ex, verdict);
  else decided(ex, verdict);
}

function later(ex: HttpExchange, verdict: Promise<Reply | undefined>): void {
  const { turn } = ex;
  const { loop } = ex.context;
  ex.downstream.pauseBody();
  verdict.then(
    (late) => loop.turn(() => ex.turn === turn && ex.zone === 'routed' && decided(ex, late)),
    (thrown: unknown) => loop.turn(() => ex.turn === turn && fail(ex, errorReply('FILTER_FAILED', messageOf(thrown)))),
  );
}

function decided(ex: HttpExchange, reply: Reply | undefined): void {
  if (reply !== undefined) {
    fail(ex, reply);
    return;
  }
  const backend = pickBackend(ex.rule!);
  if (backend?.destination === undefined) {
    fail(ex, errorReply('NO_BACKEND', `${ex.rule!.name} has no backend with a weight, or one that does not exist`));
    return;
  }
  ex.destination = backend.destination;
  if (ex.grpc) limitCall(ex);
  // 5 to 8: attempts, their outcomes, the response and the end are attempt.ts.
  startAttempt(ex);
}

/** Ends an exchange with an answer before anybody knows whom it is for. */
function endUnrouted(ex: HttpExchange, reply: Reply): void {
  ex.edge = ex.context.edgeOf(ex.peer);
  ex.edge.begin();
  fail(ex, reply);
}

/** For the codecs: a request that is none. What it says cannot be believed; it is answered, and accounted for like any other. */
export function refuse(ex: HttpExchange, code: ErrorCode, detail: string): void {
  ex.forget();
  endUnrouted(ex, errorReply(code, detail));
}

function unknown(ex: HttpExchange, key: string | undefined): void {
  ex.edge = ex.context.edgeOf('');
  ex.edge.begin();
  const ready = ex.snapshot!.ready;
  if (ready || key === undefined) fail(ex, errorReply('NO_SERVICE', `no service answers to the host ${ex.host}`));
  else fail(ex, errorReply('NOT_READY'));
}

/** The one time that a request waits for the control plane: nobody has called this service from here before. */
function firstUse(ex: HttpExchange, key: string): void {
  const { turn } = ex;
  const { loop } = ex.context;
  const answer = ex.context.resolve(key);
  if (answer === undefined) {
    unknown(ex, key);
    return;
  }
  ex.downstream.pauseBody();
  const again = (): void =>
    loop.turn(() => {
      if (ex.turn !== turn || ex.zone !== 'head') return;
      ex.snapshot = ex.context.snapshot();
      const service = ex.snapshot.services.get(key);
      if (service === undefined) unknown(ex, key);
      else routed(ex, service);
    });
  answer.then(again, again);
}

/** The trace and the id under which this exchange can be found again. */
function joinTrace(ex: HttpExchange): void {
  const { record, context } = ex;
  context.tracer.begin(
    record,
    fieldText(ex, known.traceparent),
    fieldText(ex, known.tracestate),
    fieldText(ex, known.b3),
    fieldText(ex, known['x-b3-traceid']),
    fieldText(ex, known['x-b3-spanid']),
    fieldText(ex, known['x-b3-sampled']),
  );
  const requestId = fieldText(ex, known['x-request-id']);
  record.requestId = requestId !== undefined && /^[\w.+/=:-]{1,128}$/.test(requestId) ? requestId : record.traceId;
  record.method = ex.method;
  record.host = ex.host;
  record.path = ex.path;
}

function fieldText({ info, head }: HttpExchange, name: number): string | undefined {
  const field = info.at[name]!;
  return field < 0 ? undefined : head.value(field);
}
