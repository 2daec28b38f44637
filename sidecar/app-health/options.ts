import { duration, number, type Option, type Values } from '../../lib/options.ts';

/** What the app is asked to find out whether it can take requests. */
export type AppCheckSpec =
  /** A connection, and no more. */
  | { readonly by: 'tcp' }
  /** A GET, answered with 2xx or 3xx. */
  | { readonly by: 'http'; readonly path: string }
  /** grpc.health.v1.Health/Check, answered with SERVING. `service`: '' asks for the app as a whole. */
  | { readonly by: 'grpc'; readonly service: string };

export interface AppHealth {
  readonly check: AppCheckSpec;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Checks in a row that must fail; an app that is not there at all is down with the first. */
  readonly failures: number;
}

function parseCheck(text: string): AppCheckSpec | undefined {
  if (text === 'tcp') return { by: 'tcp' };
  if (text === 'grpc') return { by: 'grpc', service: '' };
  const found = /^(?:http:(\/[!-~]{0,1023})|grpc:([\w./-]{1,120}))$/.exec(text);
  if (found === null) return undefined;
  const [, path, service = ''] = found;
  return path === undefined ? { by: 'grpc', service } : { by: 'http', path };
}

const check: Option<AppCheckSpec> = {
  describe: 'what the app is asked to see whether it can take requests: a connection, a GET, or grpc.health.v1',
  value: 'CHECK',
  expects: 'tcp, http:/PATH, grpc or grpc:SERVICE',
  fallback: 'tcp',
  parse: parseCheck,
};

/** Without a bound below, the checks would be the load. */
function atLeast(leastMs: number, option: Option<number>): Option<number> {
  const parse = (given: string): number | undefined => {
    const ms = option.parse(given);
    return ms !== undefined && ms >= leastMs ? ms : undefined;
  };
  return { ...option, expects: `${option.expects}, ${leastMs}ms at least`, parse };
}

export const appHealthOptions = {
  'app-health': check,
  'app-health-interval': atLeast(10, duration('time between two of these checks', '1s')),
  'app-health-timeout': atLeast(1, duration('time for one of these checks', '1s')),
  'app-health-failures': number(
    'checks in a row that must fail; an app that is not there is down at once',
    1,
    100,
    '2',
  ),
};

export const appHealthOf = (values: Values<typeof appHealthOptions>): AppHealth => ({
  check: values['app-health']!,
  intervalMs: values['app-health-interval']!,
  timeoutMs: values['app-health-timeout']!,
  failures: values['app-health-failures']!,
});
