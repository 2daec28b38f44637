import { putText } from '../../net/adapter.ts';
import type { Wire } from '../../net/wire.ts';
import type { ExchangeRecord, Tracer } from '../../telemetry/telemetry.ts';

const zeros = (digits: number): string => '0'.repeat(digits);
const template = (flags: string): Buffer =>
  Buffer.from(`traceparent: 00-${zeros(32)}-${zeros(16)}-${flags}\r\nx-request-id: ${zeros(32)}\r\n\r\n`, 'latin1');
const unsampled = template('00');
const sampled = template('01');
const traceAt = unsampled.indexOf(zeros(32));
const spanAt = traceAt + 33;
const requestAt = unsampled.lastIndexOf(zeros(32));

/**
 * The last fields of a request and the end of its head. The usual form, where the request id is the trace id, is put
 * together in the output buffer: a text of it would cost half a microsecond a request to build and to flatten.
 */
export function writeTrace(wire: Wire, tracer: Tracer, record: ExchangeRecord): void {
  const { traceId, spanId, requestId } = record;
  if (requestId !== traceId) {
    wire.writeText(`traceparent: ${tracer.traceparent(record)}\r\nx-request-id: ${requestId}\r\n\r\n`);
    return;
  }
  const form = record.sampled ? sampled : unsampled;
  const out = wire.room(form.length);
  const at = wire.outLength;
  form.copy(out, at);
  putText(out, traceId, at + traceAt);
  putText(out, spanId, at + spanAt);
  putText(out, traceId, at + requestAt);
  wire.advance(form.length);
}
