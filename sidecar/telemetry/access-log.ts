import type { ExchangeRecord } from './telemetry.ts';

/** Longest text of a peer that a line takes, in characters. */
const maxText = 1024;

/**
 * Writes exchanges and TCP connections as JSON, one line each and ASCII only, so that nothing a peer sends can end a line, forge a field or
 * reach a terminal (RES-LOG-INJECT). `service`: `namespace/name` of this sidecar's service.
 */
export function accessLogLines(
  service: string,
): (
  edge: { readonly direction: 'inbound' | 'outbound'; readonly peer: string },
  record: ExchangeRecord,
  wallMs: number,
) => string {
  let timeMs = Number.NaN;
  let time = '';
  const serviceField = `,"service":${quote(service)}`;
  return (edge, record, wallMs) => {
    if (wallMs !== timeMs) {
      timeMs = wallMs;
      time = new Date(wallMs).toISOString();
    }
    // Not escaped: our own words and checked hex digits.
    return (
      `{"time":"${time}","direction":"${edge.direction}"${serviceField},"peer":${quote(edge.peer)}` +
      `,"peerIdentity":${quote(record.peer)},"protocol":"${record.protocol}","method":${quote(record.method)}` +
      `,"host":${quote(record.host)},"path":${quote(record.path)},"status":${record.status},"grpcStatus":${record.grpcStatus},"code":"${record.code}"` +
      `,"policy":${quote(record.policy)},"rule":${quote(record.rule)},"detail":${quote(record.detail)}` +
      `,"attempts":${record.attempts},"durationMs":${ms(record.durationMs)},"firstByteMs":${ms(record.firstByteMs)}` +
      `,"requestBytes":${record.requestBytes},"responseBytes":${record.responseBytes},"traceId":"${record.traceId}"` +
      `,"spanId":"${record.spanId}","parentSpanId":"${record.parentSpanId}","sampled":${record.sampled}` +
      `,"requestId":${quote(record.requestId)},"downstream":${quote(record.downstream)},"upstream":${quote(record.upstream)}}\n`
    );
  };
}

/** Whole microseconds. */
const ms = (value: number): number => Math.round(value * 1000) / 1000;

/** A JSON string of printable ASCII. Texts that need no escape, which is nearly all, are not looked at twice. */
function quote(text: string): string {
  if (text === '') return '""';
  const short = text.length > maxText ? `${text.slice(0, maxText)}...` : text;
  if (!/[^ !#-[\]-~]/.test(short)) return `"${short}"`;
  return JSON.stringify(short).replace(
    /[\x7f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
