import { duration, number, type Option, type Values } from '../../lib/options.ts';
import { defaultLimits, type Limits } from './limits.ts';

const { headOctets, fields, targetOctets } = defaultLimits;

/** A time that is limited in any case: without an end, whoever does nothing would hold a connection for ever. */
function time(describe: string, fallback: string): Option<number> {
  const any = duration(describe, fallback);
  return { ...any, expects: `${any.expects}, and not 0s`, parse: (given) => any.parse(given) || undefined };
}

/** A number without a fraction. */
export function whole(describe: string, min: number, max: number, fallback: number): Option<number> {
  const any = number(describe, min, max, String(fallback));
  const parse = (given: string): number | undefined => (/^[0-9]+$/.test(given) ? any.parse(given) : undefined);
  return { ...any, expects: `a whole number from ${min} to ${max}`, parse };
}

/** Rising values with commas between them, or `off`. */
function rungs<const T extends readonly number[]>(
  describe: string,
  each: Option<number>,
  count: T['length'],
  fallback: string,
): Option<T> {
  return {
    describe,
    value: `${each.value},…|off`,
    expects: `off, or ${count} rising values with commas between them, each ${each.expects}`,
    fallback,
    parse(given) {
      if (given === 'off') return Array<number>(count).fill(Number.POSITIVE_INFINITY) as readonly number[] as T;
      const list = given.split(',').map((one) => each.parse(one.trim()) ?? Number.NaN);
      const rising = list.every((one, index) => one > 0 && one >= (list[index - 1] ?? 0));
      return list.length === count && rising ? (list as readonly number[] as T) : undefined;
    },
  };
}

const most = Number.MAX_SAFE_INTEGER;

/** The settings of the limits that have a place in a deployment; the others are fixed. */
export const limitOptions = {
  'head-timeout': time('time for a request head to arrive, from its first octet', '10s'),
  'idle-timeout': time('how long a connection of a caller may rest between requests; other sidecars rest 50s', '60s'),
  'stream-idle-timeout': duration(
    'how long nothing may move on an inbound request; outbound, policies say so; 0s: no limit',
    '5m',
  ),
  'tunnel-idle-timeout': duration('how long nothing may move on a WebSocket or other upgrade; 0s: no limit', '1h'),
  'handshake-timeout': time('time for a TLS handshake', '10s'),
  'detect-timeout': duration('how long a caller may be silent before it is taken to wait for the service', '3s'),
  'tcp-idle-timeout': duration('how long nothing may move on a TCP connection; 0s: no limit', '1h'),
  'min-body-rate': whole('octets a second at which a request body must come; 0: no rate', 0, most, 500),
  'max-connection-age': duration('how long a connection of a caller is used, about; 0s: no limit', '1h'),
  'max-connections': whole('connections of one listener', 1, 1_000_000, 20000),
  'max-connections-per-address': whole('inbound connections of one IP address; 0: no limit', 0, 1_000_000, 5000),
  'max-head': whole('octets of a request head', 1024, headOctets, headOctets),
  'max-fields': whole('fields of a request head', 8, fields, fields),
  'max-target': whole('octets of a request target', 256, targetOctets, targetOctets),
  'max-streams': whole('HTTP/2 requests under way on one connection', 1, 100_000, 1000),
  'stream-window': whole('octets on their way on one HTTP/2 stream', 16_384, 2 ** 24, defaultLimits.streamWindow),
  'overload-memory': rungs<readonly [number, number, number]>(
    'used percent of memory from which on connections end, requests are refused, the largest are reset',
    number('', 1, 100),
    3,
    '92,95,98',
  ),
  'overload-delay': rungs<readonly [number, number]>(
    'how late the event loop must be, for a second, until connections end and requests are refused',
    duration(''),
    2,
    '100ms,300ms',
  ),
  'connection-window': whole(
    'octets on their way on one HTTP/2 connection',
    65_535,
    2 ** 28,
    defaultLimits.connectionWindow,
  ),
};

const orNone = (value: number): number => value || Number.POSITIVE_INFINITY;

/** The limits that the settings ask for. */
export function limitsOf(values: Values<typeof limitOptions>): Limits {
  const memory = values['overload-memory']!;
  return Object.freeze({
    ...defaultLimits,
    headMs: values['head-timeout']!,
    idleMs: values['idle-timeout']!,
    streamIdleMs: orNone(values['stream-idle-timeout']!),
    tunnelIdleMs: orNone(values['tunnel-idle-timeout']!),
    handshakeMs: values['handshake-timeout']!,
    detectMs: orNone(values['detect-timeout']!),
    tcpIdleMs: orNone(values['tcp-idle-timeout']!),
    minBodyRate: values['min-body-rate']!,
    connectionAgeMs: orNone(values['max-connection-age']!),
    connections: values['max-connections']!,
    connectionsPerAddress: orNone(values['max-connections-per-address']!),
    headOctets: values['max-head']!,
    fields: values['max-fields']!,
    targetOctets: values['max-target']!,
    overloadMemory: [memory[0] / 100, memory[1] / 100, memory[2] / 100] as const,
    overloadDelayMs: values['overload-delay']!,
    streams: values['max-streams']!,
    streamWindow: values['stream-window']!,
    connectionWindow: values['connection-window']!,
  });
}
