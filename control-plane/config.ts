import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Address, formatAddress, isLoopback } from '../lib/address.ts';
import { messageOf } from '../lib/errors.ts';
import { InvalidInput, type Issue } from '../lib/issues.ts';
import type { Level } from '../lib/log.ts';
import { address, choice, flag, type Option, readOptions, text } from '../lib/options.ts';
import { isTrustDomain } from '../lib/spiffe.ts';

type Env = Readonly<Record<string, string | undefined>>;

const url = (describe: string): Option<URL> => ({
  ...text(describe, 'URL'),
  expects: 'a URL that begins with http:// or https://',
  parse: (given) => (/^https?:\/\//.test(given) && URL.canParse(given) ? new URL(given) : undefined),
});

const hostPattern = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*$/;
const hosts = (describe: string): Option<readonly string[]> => ({
  ...text(describe, 'NAME,…'),
  expects: 'DNS names or IP addresses with commas between them',
  parse(given) {
    const list = given.split(',').map((name) => name.trim().toLowerCase());
    return list.every((name) => isIP(name) !== 0 || hostPattern.test(name)) ? list : undefined;
  },
});

/** What can stand in `Authorization: Bearer` (RFC 6750 section 2.1), and is too long to be guessed. */
const tokenPattern = /^[-._~+/A-Za-z0-9]{16,}=*$/;

/** Every setting of the control plane. */
export const controlPlaneOptions = {
  api: address('where people, the CLI and programs ask (HTTP)', '127.0.0.1:7080'),
  grpc: address('where sidecars connect (gRPC over TLS)', '127.0.0.1:7443'),
  state: text('folder of the store and of the CA key (default ~/.local/state/weft)', 'FOLDER'),
  store: choice('where the mesh is kept: in that folder, or in Consul', ['embedded', 'consul'], 'embedded'),
  'consul-address': text('address of a Consul agent', 'ADDRESS', '127.0.0.1:8500'),
  'consul-token-file': text('file with the ACL token for Consul, read again when it is refused', 'FILE'),
  'ca-key-file': text('file with the secret that encrypts the CA, the same for all on one Consul', 'FILE'),
  'trust-domain': {
    ...text('trust domain of all identities', 'NAME', 'mesh.local'),
    expects: 'a trust domain: a-z, 0-9, dots and dashes',
    parse: (given: string) => (isTrustDomain(given) ? given : undefined),
  },
  'api-token-file': text('file with the token that callers of the API must send', 'FILE'),
  name: hosts('more names at which this machine is reached, for certificate and API'),
  otlp: url('OTLP/gRPC address that gets traces of the control plane'),
  'jaeger-ui': url("address of Jaeger's UI, shown under /jaeger"),
  'log-level': choice('least important lines of the log', ['debug', 'info', 'warn', 'error'], 'info'),
  config: text('YAML or JSON file with any of these settings', 'FILE'),
  help: flag('this text'),
};

export interface ControlPlaneConfig {
  readonly api: Address;
  readonly grpc: Address;
  readonly stateDir: string;
  readonly store:
    | { readonly kind: 'embedded' }
    | { readonly kind: 'consul'; readonly address: string; readonly token?: string; readonly tokenFile?: string };
  readonly caKeyFile: string | undefined;
  readonly trustDomain: string;
  /** What callers of the API must send; undefined only where the API is on loopback. */
  readonly apiToken: string | undefined;
  /** Names of this machine besides those of loopback. */
  readonly names: readonly string[];
  readonly otlp: string | undefined;
  readonly jaegerUi: URL | undefined;
  readonly logLevel: Level;
}

/** Reads flags, environment, settings file and the files that they name, once. Throws InvalidInput with every problem. */
export async function readControlPlaneConfig(argv: readonly string[], env: Env): Promise<ControlPlaneConfig | 'help'> {
  const named = readOptions(controlPlaneOptions, { argv, env }).values.config;
  const { file = {}, placed } = named === undefined ? noFile : await readSettings(named);
  const { values, issues } = readOptions(controlPlaneOptions, { argv, env, file });
  if (values.help === true) return 'help';
  const problems: Issue[] = issues.map(placed);

  const read = (path: string, file: string | undefined): string | undefined => {
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8').trim();
    } catch (thrown) {
      problems.push({ path, message: `cannot be read: ${messageOf(thrown)}` });
      return undefined;
    }
  };
  const consulToken = read('--consul-token-file', values['consul-token-file']);
  const tokenFrom = values['api-token-file'] === undefined ? 'WEFT_API_TOKEN' : '--api-token-file';
  const apiToken = read('--api-token-file', values['api-token-file']) ?? (env.WEFT_API_TOKEN || undefined);
  if (apiToken !== undefined && !tokenPattern.test(apiToken))
    problems.push({ path: tokenFrom, message: 'must hold at least 16 letters, digits and - . _ ~ + /, on one line' });
  const api = values.api;
  if (api !== undefined && !isLoopback(api) && apiToken === undefined && tokenFrom === 'WEFT_API_TOKEN')
    problems.push({
      path: '--api',
      message: `${formatAddress(api)} is open to others: give --api-token-file, or the token in WEFT_API_TOKEN`,
    });
  if (problems.length > 0) throw new InvalidInput(problems);

  const consul = {
    kind: 'consul',
    address: values['consul-address']!,
    ...(consulToken ? { token: consulToken } : {}),
    ...(values['consul-token-file'] === undefined ? {} : { tokenFile: values['consul-token-file'] }),
  } as const;
  return Object.freeze({
    api: api!,
    grpc: values.grpc!,
    stateDir: values.state ?? defaultState(env),
    store: values.store === 'consul' ? consul : ({ kind: 'embedded' } as const),
    caKeyFile: values['ca-key-file'],
    trustDomain: values['trust-domain']!,
    apiToken,
    names: values.name ?? [],
    otlp: values.otlp?.href ?? (env.OTEL_EXPORTER_OTLP_ENDPOINT || undefined),
    jaegerUi: values['jaeger-ui'],
    logLevel: values['log-level']!,
  });
}

function defaultState(env: Env): string {
  if (env.XDG_STATE_HOME) return join(env.XDG_STATE_HOME, 'weft');
  return env.HOME ? join(env.HOME, '.local', 'state', 'weft') : '.weft';
}

interface Settings {
  readonly file?: Readonly<Record<string, unknown>>;
  /** Adds the place in the file to a problem of one of its keys. */
  readonly placed: (issue: Issue) => Issue;
}

const noFile: Settings = { placed: (issue) => issue };

/** Throws InvalidInput when there is nothing that can be read. Most have no such file, so they do not load YAML. */
async function readSettings(file: string): Promise<Settings> {
  const { parseYaml } = await import('../policies/yaml.ts');
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new InvalidInput([{ path: '--config', message: `cannot be read: ${messageOf(thrown)}` }]);
  }
  const [document, ...others] = parseYaml(content);
  const problems = [document, ...others].flatMap((each) => each?.problems ?? []);
  if (problems.length > 0) throw new InvalidInput(problems.map((problem) => ({ path: '', file, ...problem })));
  if (document === undefined) return noFile;
  const { value } = document;
  if (others.length > 0 || typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidInput([{ path: '', file, message: 'must have settings as `name: value`, in one document' }]);
  const settings = value as Readonly<Record<string, unknown>>;
  return {
    file: settings,
    placed: (issue) =>
      Object.hasOwn(settings, issue.path) ? { ...issue, file, ...document.position(issue.path, true) } : issue,
  };
}
