import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Address, parseAddress } from '../lib/address.ts';
import { messageOf } from '../lib/errors.ts';
import { InvalidInput, type Issue } from '../lib/issues.ts';
import { address, choice, duration, flag, number, readOptions, text, type Values } from '../lib/options.ts';
import { isName } from '../lib/spiffe.ts';
import { serviceKey } from '../policies/resource.ts';
import { type AppHealth, appHealthOf, appHealthOptions } from './app-health/options.ts';
import { upgradeOptions } from './http/upgrade.ts';
import type { Limits } from './limits/limits.ts';
import { limitOptions, limitsOf, whole } from './limits/options.ts';
import { namesOptions } from './names/options.ts';
import type { Resolver } from './names/resolv-conf.ts';
import type { AppProtocol } from './tcp/inbound.ts';
import { tcpAllowOf, tcpOptions, upstreamsOf } from './tcp/options.ts';
import type { UpstreamSpec } from './tcp/upstreams.ts';

const name = (describe: string, fallback?: string) => ({
  ...text(describe, 'NAME', fallback),
  expects: 'a name of small letters, digits and -',
  parse: (given: string) => (isName(given) ? given : undefined),
});

const names = (describe: string) => ({
  ...text(describe, 'NAME,…'),
  expects: 'names with commas between them',
  parse(given: string): readonly string[] | undefined {
    const list = given.split(',').map((one) => one.trim());
    return list.every((one) => one.split('/').length <= 2 && one.split('/').every(isName)) ? list : undefined;
  },
});

const addresses = (describe: string) => ({
  ...text(describe, 'ADDRESS,…'),
  expects: 'host:port, :port or unix:PATH, or several with commas between them',
  parse(given: string): readonly Address[] | undefined {
    const list = given.split(',').map((one) => parseAddress(one.trim()));
    return list.every((one) => one !== undefined) ? list : undefined;
  },
});

/** Every setting of a sidecar. The names are stable: tests, benchmarks and other people's suites use them. */
export const sidecarOptions = {
  service: name('the service beside this sidecar'),
  namespace: name('the namespace of the service', 'default'),
  instance: text('what this instance is called in the registry; unique', 'NAME'),
  app: address('where the service itself listens'),
  port: whole(
    'port by which others name the service, without a resource of it; 0: that of --app, else 80',
    0,
    65535,
    0,
  ),
  ...appHealthOptions,
  inbound: address('where other sidecars come in', '127.0.0.1:15006'),
  outbound: address('where the service sends its requests to others', '127.0.0.1:15001'),
  admin: address('where /ready, /metrics and /config are', '127.0.0.1:15000'),
  'control-plane': addresses('gRPC address of the control plane, or of several that share a store'),
  token: text('join token for the first certificate; a file is safer', 'TOKEN'),
  'token-file': text('file with the join token', 'FILE'),
  state: text('folder for key, certificate and last good configuration', 'FOLDER'),
  calls: names('services that this one calls, known before its first request'),
  config: text('file with resources, instead of a control plane', 'FILE'),
  mtls: choice('what inbound takes: mutual TLS, plain text, or both', ['off', 'permissive', 'strict']),
  cert: text('certificate chain (PEM), instead of one from the control plane', 'FILE'),
  key: text('its private key (PEM)', 'FILE'),
  ca: text('the roots to trust (PEM)', 'FILE'),
  weight: number('share of traffic relative to other instances', 0, 1000, '1'),
  locality: text('failure domain, such as eu-west/a', 'NAME'),
  'app-timeout': duration('time for the service itself to answer; gRPC calls bring their own', '60s'),
  'max-request-body': number('largest request body in octets; 0: no limit', 0, Number.MAX_SAFE_INTEGER, '0'),
  ...limitOptions,
  ...tcpOptions,
  ...namesOptions,
  concurrency: whole('threads that carry traffic; each has its own connections and retry budgets', 1, 64, 1),
  ...upgradeOptions,
  'drain-delay': duration('time between leaving the registry and closing the listeners', '1s'),
  'drain-time': duration('time for requests under way when the sidecar is told to end', '30s'),
  'access-log': choice('which requests get a line on standard output', ['off', 'errors', 'all'], 'errors'),
  otlp: text('OTLP/gRPC address of a trace collector', 'URL'),
  'trace-sample': number('share of new traces that are sampled', 0, 1),
  'log-level': choice('least important lines of the log', ['debug', 'info', 'warn', 'error'], 'info'),
  'exit-with-stdin': flag('end when standard input closes, that is, with the process that started this one'),
  settings: text('JSON file with any of these settings', 'FILE'),
  help: flag('this text'),
};

export interface SidecarConfig {
  readonly service: string;
  readonly namespace: string;
  /** `namespace/name`. */
  readonly serviceKey: string;
  readonly instance: string;
  readonly app: Address;
  /** By which others name the service, where it has no resource. */
  readonly port: number;
  readonly appHealth: AppHealth;
  readonly inbound: Address;
  readonly outbound: Address;
  readonly admin: Address;
  readonly source:
    | { readonly from: 'file'; readonly file: string }
    | { readonly from: 'nothing' }
    | {
        readonly from: 'control-plane';
        /** One at least; the next one is asked when one is away. */
        readonly addresses: readonly Address[];
        readonly token: string | undefined;
        readonly tokenFile: string | undefined;
        readonly state: string;
      };
  readonly mtls: 'off' | 'permissive' | 'strict';
  readonly certificates: { readonly cert: string; readonly key: string; readonly ca: string } | undefined;
  readonly calls: readonly string[];
  readonly weight: number;
  readonly locality: string;
  readonly appTimeoutMs: number;
  /** Infinity: no limit. */
  readonly maxRequestBody: number;
  readonly limits: Limits;
  readonly appProtocol: AppProtocol;
  readonly upstreams: readonly UpstreamSpec[];
  /** Where DNS is answered; undefined: nowhere, and nobody listens at services' own addresses. */
  readonly dns: Resolver | undefined;
  /** undefined: those that the system has. */
  readonly dnsForward: readonly Resolver[] | undefined;
  /** Callers, as `namespace/name`; undefined: everyone of the mesh. */
  readonly tcpAllow: readonly string[] | undefined;
  /** Threads that carry traffic. */
  readonly concurrency: number;
  /** Protocols (lower case) that callers may go over to. */
  readonly upgrades: ReadonlySet<string>;
  readonly drainDelayMs: number;
  readonly drainTimeMs: number;
  readonly accessLog: 'off' | 'errors' | 'all';
  readonly otlp: string | undefined;
  readonly traceSample: number | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly exitWithStdin: boolean;
}

/** Reads flags, environment and settings file, once. Throws InvalidInput with every problem at once. */
export function readSidecarConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SidecarConfig | 'help' {
  const settings = readOptions(sidecarOptions, { argv, env }).values.settings;
  const file = settings === undefined ? undefined : readSettings(settings);
  const { values, issues } = readOptions(sidecarOptions, { argv, env, ...(file === undefined ? {} : { file }) });
  if (values.help === true) return 'help';
  const problems: Issue[] = [...issues, ...missing(values)];
  if (problems.length > 0) throw new InvalidInput(problems);
  const { service = '', namespace = 'default', cert, key, ca } = values;
  const calls = (values.calls ?? []).map((one) => (one.includes('/') ? one : serviceKey(namespace, one)));
  const upstreams = upstreamsOf(values, namespace);
  const otlp = values.otlp ?? (env.OTEL_EXPORTER_OTLP_ENDPOINT || undefined);
  const certificates = cert === undefined || key === undefined || ca === undefined ? undefined : { cert, key, ca };
  return Object.freeze({
    service,
    namespace,
    serviceKey: serviceKey(namespace, service),
    instance: values.instance ?? `${service}-${randomUUID().slice(0, 8)}`,
    app: values.app!,
    port: values.port! || portOf(values.app!),
    appHealth: appHealthOf(values),
    inbound: values.inbound!,
    outbound: values.outbound!,
    admin: values.admin!,
    source: sourceOf(values),
    mtls: values.mtls ?? 'strict',
    certificates,
    calls: [...new Set([...calls, ...upstreams.map((upstream) => upstream.service)])],
    weight: values.weight!,
    locality: values.locality ?? '',
    appTimeoutMs: values['app-timeout']! || Number.POSITIVE_INFINITY,
    maxRequestBody: values['max-request-body']! || Number.POSITIVE_INFINITY,
    limits: limitsOf(values),
    appProtocol: values['app-protocol']!,
    upstreams,
    dns: values.dns,
    dnsForward: values['dns-forward'],
    tcpAllow: tcpAllowOf(values, namespace),
    concurrency: values.concurrency!,
    upgrades: values.upgrades!,
    drainDelayMs: values['drain-delay']!,
    drainTimeMs: values['drain-time']!,
    accessLog: values['access-log']!,
    otlp,
    traceSample: values['trace-sample'],
    logLevel: values['log-level']!,
    exitWithStdin: values['exit-with-stdin'] ?? false,
  });
}

const portOf = (app: Address): number => ('port' in app && app.port > 0 ? app.port : 80);

type Given = Values<typeof sidecarOptions>;

function missing(values: Given): readonly Issue[] {
  const issues: Issue[] = [];
  const need = (path: string, message: string): unknown => issues.push({ path, message });
  if (values.service === undefined) need('--service', 'is needed: the name of the service beside this sidecar');
  if (values.app === undefined) need('--app', 'is needed: where the service itself listens, such as 127.0.0.1:9000');
  const planned = values['control-plane'] !== undefined;
  if (planned && values.config !== undefined) need('--config', 'is not for a sidecar with --control-plane');
  if (planned && values.state === undefined)
    need('--state', 'is needed with --control-plane: a folder of this sidecar');
  const given = [values.cert, values.key, values.ca].filter((one) => one !== undefined).length;
  if (given > 0 && given < 3) need('--cert, --key, --ca', 'go together: all three or none');
  if (!planned && given === 0 && values.mtls !== 'off')
    need(
      '--mtls',
      `${values.mtls ?? 'strict'} needs a certificate: give --control-plane, or --cert, --key and --ca, or --mtls off`,
    );
  const chosenLater = upstreamsOf(values, '').some(({ address }) => 'port' in address && address.port === 0);
  if (chosenLater && (values.concurrency ?? 1) > 1)
    need('--upstream', 'with port 0 needs --concurrency 1: each thread would choose another port');
  return issues;
}

function sourceOf(values: Given): SidecarConfig['source'] {
  const planned = values['control-plane'];
  if (planned !== undefined)
    return {
      from: 'control-plane',
      addresses: planned,
      token: values.token,
      tokenFile: values['token-file'],
      state: values.state!,
    };
  return values.config === undefined ? { from: 'nothing' } : { from: 'file', file: values.config };
}

function readSettings(file: string): Readonly<Record<string, unknown>> {
  try {
    const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read as Record<string, unknown>;
    throw new Error('it is not a JSON object');
  } catch (thrown) {
    throw new InvalidInput([{ file, path: '', message: messageOf(thrown) }]);
  }
}
