import { z } from 'zod';
import { isName } from '../../../lib/spiffe.ts';
import { type Answer, type ConsulClient, ConsulError, type Read } from '../../consul/client.ts';

/** One passing instance of a service in the catalog. */
export interface CatalogInstance {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** `connect-proxy` and the like; '' for a service itself. */
  readonly kind: string;
  readonly meta: Readonly<Record<string, string>>;
}

export interface Registration {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly meta: Readonly<Record<string, string>>;
  /** Why it takes no requests; '' when it does. */
  readonly problem: string;
}

/** The keys of our service metadata. */
export const metaKey = {
  namespace: 'weft-namespace',
  identity: 'weft-identity',
  locality: 'weft-locality',
  controlPlane: 'weft-control-plane',
  endpoint: 'weft-endpoint',
  weight: 'weft-weight',
  port: 'weft-port',
  protocol: 'weft-protocol',
} as const;

const ttl = '15s';
/** How often a check must be passed so that one lost request does no harm. */
export const passMs = 5000;
/** The shortest that Consul knows. */
const deregisterAfter = '1m';

const servicesSchema = z.record(z.string(), z.unknown());
const instancesSchema = z.array(
  z.object({
    Node: z.object({ Node: z.string(), Address: z.string() }),
    Service: z.object({
      ID: z.string(),
      Kind: z.string().default(''),
      Address: z.string(),
      Port: z.number().int(),
      Meta: z.record(z.string(), z.string()).nullish(),
      Weights: z.object({ Passing: z.number().int() }).nullish(),
    }),
  }),
);

/** The name of a service in the catalog: its own in namespace default, else `namespace.name`. */
export function catalogName(service: string): string {
  const [namespace, name] = service.split('/') as [string, string];
  return namespace === 'default' ? name : `${namespace}.${name}`;
}

/** `namespace/name` of a name in the catalog; undefined when no service of a mesh can be called so. */
export function serviceOf(catalogName: string): string | undefined {
  const labels = catalogName.split('.');
  const [namespace, name] = labels.length === 1 ? ['default', labels[0]!] : (labels as [string, string]);
  if (labels.length > 2 || !isName(namespace) || !isName(name)) return undefined;
  return labels.length === 2 && namespace === 'default' ? undefined : `${namespace}/${name}`;
}

/** The calls to Consul that the registry makes. They throw ConsulError. */
export class ConsulCatalog {
  readonly #client: ConsulClient;

  constructor(client: ConsulClient) {
    this.#client = client;
  }

  /** The names of all services. */
  async services(read: Read): Promise<Answer<readonly string[]>> {
    const { value, index } = await this.#client.request((consul, options) => consul.catalog.services(options), read);
    return { value: Object.keys(parsed(servicesSchema, value)), index };
  }

  /** The instances of a service whose checks all pass. */
  async instances(name: string, read: Read): Promise<Answer<readonly CatalogInstance[]>> {
    const { value, index } = await this.#client.request(
      (consul, options) => consul.health.service({ service: name, passing: true, ...options }),
      read,
    );
    const instances = parsed(instancesSchema, value).map(({ Node, Service }) => ({
      id: `${Node.Node} ${Service.ID}`,
      address: Service.Address === '' ? Node.Address : Service.Address,
      port: Service.Port,
      weight: Math.max(1, Service.Weights?.Passing ?? 1),
      kind: Service.Kind,
      meta: Service.Meta ?? {},
    }));
    return { value: instances, index };
  }

  /** Registers a service at the agent, for one TTL; replaces one of the same id. */
  async register({ id, name, address, port, meta, problem }: Registration): Promise<void> {
    const check = {
      name: 'weft',
      ttl,
      status: problem === '' ? 'passing' : 'critical',
      deregistercriticalserviceafter: deregisterAfter,
      timeout: '',
    };
    await this.#client.request((consul, options) =>
      consul.agent.service.register({ id, name, address, port, meta: { ...meta }, check, ...options }),
    );
    // One that was there already has kept the state of its check.
    await this.check(id, problem);
  }

  async deregister(id: string): Promise<void> {
    try {
      await this.#client.request((consul, options) => consul.agent.service.deregister({ id, ...options }));
    } catch (thrown) {
      if (!isGone(thrown)) throw thrown;
    }
  }

  /** Passes the check of a service for one more TTL, or fails it. False when the agent does not know it. */
  async check(id: string, problem: string): Promise<boolean> {
    const of = { id: `service:${id}`, note: problem };
    try {
      await this.#client.request((consul, options) =>
        problem === ''
          ? consul.agent.check.pass({ ...of, ...options })
          : consul.agent.check.fail({ ...of, ...options }),
      );
      return true;
    } catch (thrown) {
      if (isGone(thrown)) return false;
      throw thrown;
    }
  }
}

const isGone = (thrown: unknown): boolean => thrown instanceof ConsulError && thrown.status === 404;

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ConsulError(
    'unknown',
    `Consul gave an answer of another form: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}
