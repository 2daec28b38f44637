import { type Address, parseAddress } from '../../lib/address.ts';
import { canonicalJson, contentHash } from '../../lib/canonical.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { formatIssue } from '../../lib/issues.ts';
import { jsonLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { fromPem } from '../../lib/svid.ts';
import { parseDocuments } from '../../policies/documents.ts';
import { loadSchemas } from '../../policies/load.ts';
import { keyOf, keyText } from '../../policies/resource.ts';
import { type DataPlane, type DataPlaneOptions, startDataPlane } from '../../sidecar/data-plane.ts';
import { defaultLimits, type Limits } from '../../sidecar/limits/limits.ts';
import type { Readings } from '../../sidecar/limits/readings.ts';
import type { EndpointSpec, HeldResource, Inputs } from '../../sidecar/snapshot/inputs.ts';
import { startTelemetry } from '../../sidecar/telemetry/start-telemetry.ts';
import type { Edge, ExchangeRecord, Telemetry } from '../../sidecar/telemetry/telemetry.ts';
import type { Credentials } from '../../sidecar/tls/credentials.ts';
import { makeCredentials } from '../../sidecar/tls/make-credentials.ts';
import type { TestCert } from './certs.ts';
import { type RawClient, type RawResponse, rawClient, send } from './client.ts';

/** An endpoint: its address, or that and what else is to be said of it. */
export type TestEndpoint = Address | (Partial<EndpointSpec> & { readonly at: Address });

export interface TestConfig {
  /** Endpoints of the services that this sidecar knows, by name (in namespace `default`) or `namespace/name`. */
  readonly services?: Readonly<Record<string, readonly TestEndpoint[]>>;
  /** Resources as users write them. */
  readonly yaml?: string;
  readonly absent?: readonly string[];
  /** Where services are on loopback, by name (in namespace `default`) or `namespace/name`. */
  readonly addresses?: Readonly<Record<string, string>>;
}

export interface TestSidecarOptions extends TestConfig {
  /** The service beside it; an address that nobody listens on unless given. */
  readonly app?: Address;
  readonly name?: string;
  readonly namespace?: string;
  readonly inbound?: Address;
  readonly outbound?: Address;
  /** What the app speaks; `auto` unless told otherwise. */
  readonly appProtocol?: DataPlaneOptions['appProtocol'];
  /** Services of namespace `default`, or `namespace/name`, and where they are to be found at this sidecar. */
  readonly upstreams?: Readonly<Record<string, Address>>;
  readonly tcpAllow?: readonly string[];
  /** It listens at the addresses of services. */
  readonly names?: boolean;
  readonly mtls?: DataPlaneOptions['mtls'];
  readonly credentials?: DataPlaneOptions['credentials'];
  readonly resolve?: (service: string) => Promise<void> | undefined;
  readonly readPage?: DataPlaneOptions['readPage'];
  readonly appTimeoutMs?: number;
  readonly endpointGraceMs?: number;
  readonly maxRequestBody?: number;
  /** Those that differ from the defaults. */
  readonly limits?: Partial<Limits>;
  /** `websocket` unless given. */
  readonly upgrades?: readonly string[];
  /** How it is doing; always well unless told otherwise, however busy the machine that tests it. */
  readonly readings?: Readings;
  readonly clock?: Clock;
  /** False: it starts without any configuration. */
  readonly configured?: boolean;
}

export interface TestSidecar extends AsyncDisposable {
  readonly dataPlane: DataPlane;
  readonly inbound: Address;
  readonly outbound: Address;
  /** Where it listens for a service of its `upstreams`. */
  upstream(name: string): Promise<Address>;
  /** Exchanges that are over, in order. */
  readonly records: readonly Readonly<ExchangeRecord>[];
  /** TCP connections that are over, in order. */
  readonly connections: readonly Readonly<ExchangeRecord>[];
  /** As a scrape shows them. */
  metrics(): string;
  /** Exchanges that have begun and are not over. */
  readonly underWay: number;
  /** Lines of its log. */
  readonly log: readonly string[];
  /** Puts another configuration in the place of the present one; fails when it is refused. */
  apply(config: TestConfig): Promise<void>;
  /** A connection to outbound, as the app would make. */
  client(): Promise<RawClient>;
  /** One request to outbound on a connection of its own. */
  send(given?: Parameters<typeof send>[1]): Promise<RawResponse>;
}

const nowhere: Address = { host: '127.0.0.1', port: 1 };
const loopback: Address = { host: '127.0.0.1', port: 0 };

/** A sidecar's data path in this process, on ports of its own. */
export async function startTestSidecar(options: TestSidecarOptions = {}): Promise<TestSidecar> {
  const { clock = systemClock, namespace = 'default', name = 'caller' } = options;
  const records: ExchangeRecord[] = [];
  const connections: ExchangeRecord[] = [];
  const lines: string[] = [];
  const counts = { underWay: 0 };
  const log = jsonLog({ level: 'debug', write: (line) => lines.push(line) });
  const telemetry = startTelemetry({
    service: `${namespace}/${name}`,
    instance: name,
    version: 'test',
    config: { accessLog: 'off' },
    clock,
    log,
  });
  const { readings = () => ({ memory: 0, lateMs: 0 }) } = options;
  const dataPlane = await startDataPlane(
    {
      namespace,
      serviceKey: `${namespace}/${name}`,
      app: options.app ?? nowhere,
      inbound: options.inbound ?? loopback,
      outbound: options.outbound ?? loopback,
      appProtocol: options.appProtocol ?? 'auto',
      upstreams: Object.entries(options.upstreams ?? {}).map(([name, address]) => ({ service: keyed(name), address })),
      tcpAllow: options.tcpAllow,
      names: options.names ?? false,
      mtls: options.mtls ?? 'off',
      credentials: options.credentials,
      appTimeoutMs: options.appTimeoutMs ?? Number.POSITIVE_INFINITY,
      endpointGraceMs: options.endpointGraceMs ?? 0,
      maxRequestBody: options.maxRequestBody ?? Number.POSITIVE_INFINITY,
      upgrades: new Set(options.upgrades ?? ['websocket']),
      limits: { ...defaultLimits, ...options.limits },
      resolve: options.resolve ?? (() => undefined),
      readPage: options.readPage,
      telemetry: recorded(telemetry, records, connections, counts),
      clock,
      random: seededRandom(1),
      log,
    },
    readings,
  );
  let revision = 0;
  const sidecar: TestSidecar = {
    dataPlane,
    inbound: dataPlane.inbound.address,
    outbound: dataPlane.outbound.address,
    async upstream(name) {
      const { upstreams } = await dataPlane.dump();
      return parseAddress(upstreams.find(({ service }) => service === keyed(name))!.listen)!;
    },
    records,
    connections,
    metrics: () => telemetry.metricsText(),
    get underWay() {
      return counts.underWay;
    },
    log: lines,
    async apply(config) {
      const issues = await dataPlane.accept(await inputsOf(config, ++revision));
      if (issues.length > 0) throw new Error(`refused: ${issues.map(formatIssue).join('\n')}`);
    },
    client: () => rawClient(dataPlane.outbound.address),
    send: (given) => send(dataPlane.outbound.address, given),
    async [Symbol.asyncDispose]() {
      await dataPlane.close();
      await telemetry.close();
      if (counts.underWay !== 0) throw new Error(`${counts.underWay} exchanges were never ended`);
    },
  };
  if (options.configured === false) return sidecar;
  try {
    await sidecar.apply(options);
  } catch (error) {
    await sidecar[Symbol.asyncDispose]();
    throw error;
  }
  return sidecar;
}

/** The telemetry given, with a copy of each record kept as its exchange ends. */
function recorded(
  telemetry: Telemetry,
  records: ExchangeRecord[],
  connections: ExchangeRecord[],
  counts: { underWay: number },
): Telemetry {
  return {
    tracer: telemetry.tracer,
    overload: telemetry.overload,
    tcp(direction, peer) {
      const edge = telemetry.tcp(direction, peer);
      return {
        opened: () => edge.opened(),
        toService: (octets) => edge.toService(octets),
        toCaller: (octets) => edge.toCaller(octets),
        closed(record) {
          connections.push({ ...record });
          edge.closed(record);
        },
      };
    },
    connections: (direction, end) => telemetry.connections(direction, end),
    edge(direction, peer): Edge {
      const edge = telemetry.edge(direction, peer);
      return {
        begin() {
          counts.underWay++;
          edge.begin();
        },
        end(record) {
          counts.underWay--;
          records.push({ ...record });
          edge.end(record);
        },
      };
    },
  };
}

/** What a sidecar would have been told, for a test that changes some of it. */
export async function inputsOf(
  { services = {}, yaml = '', absent = [], addresses = {} }: TestConfig,
  revision: number,
): Promise<Inputs> {
  const parsed = parseDocuments(yaml, 'test.yaml', await loadSchemas());
  if (parsed.issues.length > 0) throw new Error(parsed.issues.map(formatIssue).join('\n'));
  const resources = new Map<string, HeldResource>();
  for (const { resource } of parsed.resources) {
    const key = keyOf(resource);
    resources.set(keyText(key), { key, version: contentHash(canonicalJson(resource.spec)), spec: resource.spec });
  }
  const endpoints = new Map<string, ReadonlyMap<string, EndpointSpec>>();
  for (const [name, list] of Object.entries(services)) {
    const specs = list.map(specOf);
    endpoints.set(keyed(name), new Map(specs.map((spec) => [spec.id, spec])));
  }
  const local = new Map(Object.entries(addresses).map(([name, address]) => [keyed(name), address]));
  return { revision, resources, endpoints, addresses: local, absent: new Set(absent) };
}

const keyed = (name: string): string => (name.includes('/') ? name : `default/${name}`);

function specOf(endpoint: TestEndpoint): EndpointSpec {
  const { at, ...more } = 'at' in endpoint ? endpoint : { at: endpoint };
  const where = 'path' in at ? { address: `unix:${at.path}`, port: 0 } : { address: at.host, port: at.port };
  const fields = { id: `${where.address}:${where.port}`, ...where, weight: 1, identity: '', locality: '', ...more };
  return { version: contentHash(canonicalJson(fields)), ...fields };
}

/** What a sidecar proves itself with, of a certificate made for the test. */
export const credentialsOf = (leaf: TestCert, roots: readonly TestCert[]): Credentials =>
  makeCredentials(
    { chain: fromPem(leaf.chainPem), keyPem: leaf.keyPem, roots: roots.map(({ der }) => der) },
    Date.now(),
  );
