import type { ExchangeRecord, Tracer } from './telemetry.ts';
import { TraceIds } from './trace-ids.ts';

/**
 * The tracer of a sidecar: W3C Trace Context level 1 (https://www.w3.org/TR/trace-context-1/), and B3 as it is read from
 * callers that know only that (https://github.com/openzipkin/b3-propagation). What is not valid begins a new trace.
 */
export function traceContext(sample: number): Tracer {
  return new TraceContext(sample);
}

class TraceContext implements Tracer {
  readonly #ids = new TraceIds();
  /** Traces are sampled whose chance is below. */
  readonly #threshold: number;

  constructor(sample: number) {
    this.#threshold = Math.round(Math.min(1, Math.max(0, sample)) * 2 ** 32);
  }

  begin(
    record: ExchangeRecord,
    traceparent: string | undefined,
    tracestate: string | undefined,
    b3: string | undefined,
    b3TraceId: string | undefined,
    b3SpanId: string | undefined,
    b3Sampled: string | undefined,
  ): void {
    if (traceparent !== undefined && isTraceparent(traceparent)) {
      record.traceId = traceparent.substring(3, 35);
      record.parentSpanId = traceparent.substring(36, 52);
      record.spanId = this.#ids.newSpan();
      record.sampled = (hexDigit(traceparent.charCodeAt(54)) & 1) === 1;
      record.tracestate = tracestate !== undefined && isTracestate(tracestate) ? tracestate : '';
      return;
    }
    record.tracestate = '';
    if (b3 !== undefined) this.#joinB3(record, parseB3(b3));
    else if (b3TraceId !== undefined || b3Sampled !== undefined)
      this.#joinB3(record, parseB3(b3Fields(b3TraceId, b3SpanId, b3Sampled)));
    else this.#newTrace(record, undefined);
  }

  traceparent(record: ExchangeRecord): string {
    return record.sampled ? `00-${record.traceId}-${record.spanId}-01` : `00-${record.traceId}-${record.spanId}-00`;
  }

  #newTrace(record: ExchangeRecord, sampled: boolean | undefined): void {
    const ids = this.#ids.newTrace();
    record.traceId = ids.substring(0, 32);
    record.spanId = ids.substring(32, 48);
    record.parentSpanId = '';
    record.sampled = sampled ?? this.#ids.lastChance() < this.#threshold;
  }

  #joinB3(record: ExchangeRecord, found: B3 | undefined): void {
    this.#newTrace(record, found?.sampled);
    if (found === undefined || found.traceId === '') return;
    record.traceId = found.traceId;
    record.parentSpanId = found.spanId;
  }
}

/** Value of a lower-case hex digit; -1 for anything else. */
function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  return char >= 0x61 && char <= 0x66 ? char - 0x57 : -1;
}

/** Only lower-case hex digits in [from, to), not all of them 0. */
function isId(text: string, from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit < 0) return false;
    bits |= digit;
  }
  return bits !== 0;
}

const dash = 0x2d;

/** Section 3.2.2: lower case only, no zero IDs; a later version may only have more after another dash. */
function isTraceparent(text: string): boolean {
  if (text.length < 55) return false;
  const high = hexDigit(text.charCodeAt(0));
  const low = hexDigit(text.charCodeAt(1));
  if (high < 0 || low < 0 || (high === 15 && low === 15)) return false;
  if (text.length > 55 && ((high === 0 && low === 0) || text.charCodeAt(55) !== dash)) return false;
  return (
    text.charCodeAt(2) === dash &&
    text.charCodeAt(35) === dash &&
    text.charCodeAt(52) === dash &&
    hexDigit(text.charCodeAt(53)) >= 0 &&
    hexDigit(text.charCodeAt(54)) >= 0 &&
    isId(text, 3, 35) &&
    isId(text, 36, 52)
  );
}

/** Section 3.3.1.5 asks that 512 characters be passed on; section 3.3.1.1 allows 32 members. What has more is not passed on. */
const maxTracestate = 512;
const maxMembers = 32;
/** Section 3.3.1.3, key (with or without a tenant) and value; members may be empty. */
const member =
  /^[ \t]*(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[ -+\x2d-<>-~]{0,255}[!-+\x2d-<>-~][ \t]*$/;

function isTracestate(text: string): boolean {
  if (text.length > maxTracestate) return false;
  const members = text.split(',', maxMembers + 1);
  return members.length <= maxMembers && members.every((one) => /^[ \t]*$/.test(one) || member.test(one));
}

interface B3 {
  /** 32 hex digits; '' when there was only a decision. */
  readonly traceId: string;
  readonly spanId: string;
  /** undefined: the decision is ours. */
  readonly sampled: boolean | undefined;
}

const b3Single = /^(?:([0-9a-f]{16}(?:[0-9a-f]{16})?)-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?|([01d]))$/;

/** Reads `b3: TraceId-SpanId[-Sampled[-ParentSpanId]]` or `b3: Sampled`. 64-bit trace IDs are filled up with zeros. */
function parseB3(text: string): B3 | undefined {
  if (text.length > 68) return undefined;
  const found = b3Single.exec(text);
  if (found === null) return undefined;
  const [, traceId = '', spanId = '', decision = found[4]] = found;
  const sampled = decision === undefined ? undefined : decision !== '0';
  if (traceId === '') return { traceId: '', spanId: '', sampled };
  if (!isId(traceId, 0, traceId.length) || !isId(spanId, 0, 16)) return undefined;
  return { traceId: traceId.padStart(32, '0'), spanId, sampled };
}

/** The several fields `X-B3-…` as the one field; a text that is not valid when they are not. */
function b3Fields(traceId: string | undefined, spanId: string | undefined, sampled: string | undefined): string {
  const decision = sampled === 'true' ? '1' : sampled === 'false' ? '0' : sampled;
  if (traceId === undefined) return decision ?? '';
  const ids = `${traceId}-${spanId ?? ''}`;
  return decision === undefined ? ids : `${ids}-${decision}`;
}
