import { isIP } from 'node:net';
import type { Identity } from '../../lib/spiffe.ts';
import { isName } from '../../lib/spiffe.ts';
import { keyText, serviceKey } from '../../policies/resource.ts';
import { protocols } from '../../policies/service/spec.ts';
import type { Hello__Output } from '../../proto/gen/weft/v1/Hello.ts';
import type { Nack__Output } from '../../proto/gen/weft/v1/Nack.ts';
import type { ResourceKey__Output } from '../../proto/gen/weft/v1/ResourceKey.ts';
import type { ServiceKey__Output } from '../../proto/gen/weft/v1/ServiceKey.ts';
import type { Declared } from '../registry/registry.ts';
import { type EndpointView, told } from '../snapshots/endpoints.ts';
import { Refusal } from './refusal.ts';
import type { Held, Problem } from './subscription.ts';

/** What a sidecar said of itself, checked. */
export interface SidecarHello {
  /** `namespace/name`, as its certificate says. */
  readonly service: string;
  readonly instance: string;
  /** Port 0: no endpoint. */
  readonly inbound: { readonly address: string; readonly port: number };
  readonly admin: string;
  readonly version: string;
  readonly locality: string;
  readonly weight: number;
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason: string;
  /** What it says of its service; undefined where it was not told. */
  readonly declared: Declared | undefined;
  readonly subscriptions: readonly string[];
  readonly held: Held;
  readonly revision: number;
}

const maxSubscriptions = 1000;
const maxProblems = 20;
const maxProblemText = 1000;
const maxReason = 200;

/**
 * Reads the first message of a stream. Throws a Refusal: PERMISSION_DENIED when it names another service than the
 * certificate, INVALID_ARGUMENT when a field is not what it should be. `peer` is the address that the stream comes from.
 */
export function parseHello(hello: Hello__Output, identity: Identity, peer: string): SidecarHello {
  const service = serviceKey(identity.namespace, identity.service);
  const claimed = hello.service === null ? '' : serviceKey(hello.service.namespace, hello.service.name);
  if (claimed !== service) {
    throw new Refusal('PERMISSION_DENIED', `the certificate is for service ${service}, the sidecar says another`);
  }
  const { instance, inboundPort, weftVersion, locality, adminAddress, weight, revision } = hello;
  check(/^[\w.:-]{1,128}$/.test(instance), 'instance: 1 to 128 letters, digits and . _ : -');
  check(inboundPort <= 65535, 'inbound_port: at most 65535');
  check(/^[\w.+-]{0,64}$/.test(weftVersion), 'weft_version: at most 64 letters, digits and . _ + -');
  check(/^[\w./-]{0,128}$/.test(locality), 'locality: at most 128 letters, digits and . _ / -');
  check(/^[\x21-\x7e]{0,256}$/.test(adminAddress), 'admin_address: at most 256 visible ASCII characters');
  check(hello.servicePort <= 65535, 'service_port: at most 65535');
  check(weight <= 10_000, 'weight: at most 10000');
  check(Number.isSafeInteger(revision), 'revision: below 2^53');
  return {
    service,
    instance,
    inbound: { address: inboundAddress(hello.inboundAddress, inboundPort, peer), port: inboundPort },
    admin: adminAddress,
    version: weftVersion,
    locality,
    weight,
    ready: hello.ready,
    reason: parseReason(hello.unreadyReason),
    declared: parseDeclared(hello),
    subscriptions: parseServices(hello.subscriptions),
    held: parseHeld(hello),
    revision,
  };
}

/** Reads the services of a Subscribe or Hello. Throws a Refusal with INVALID_ARGUMENT. */
export function parseServices(keys: readonly ServiceKey__Output[]): readonly string[] {
  check(keys.length <= maxSubscriptions, `subscriptions: at most ${maxSubscriptions}`);
  return keys.map(parseService);
}

/** What a Nack says, cut to what is worth keeping. */
export function parseProblems(nack: Nack__Output): readonly Problem[] {
  const problems = nack.problems.slice(0, maxProblems).map(({ key, path, message }) => ({
    resource: key === null ? '' : keyText(key).slice(0, maxProblemText),
    path: path.slice(0, maxProblemText),
    message: message.slice(0, maxProblemText),
  }));
  return problems.length > 0 ? problems : [{ resource: '', path: '', message: 'the sidecar gave no reason' }];
}

/** One line that neither a terminal nor a page obeys. */
export const parseReason = (text: string): string => text.slice(0, maxReason).replace(/[^\x20-\x7e]/g, '?');

/** A protocol that this version does not know is as good as none: what callers are not told, they find out. */
function parseDeclared({ servicePort: port, serviceProtocol }: Hello__Output): Declared | undefined {
  const protocol = protocols.find((one) => one === serviceProtocol) ?? '';
  return port === 0 ? undefined : { port, protocol };
}

/** A sidecar that listens on every address is reached where its stream comes from. */
function inboundAddress(address: string, port: number, peer: string): string {
  if (port === 0) return '';
  if (address !== '' && address !== '0.0.0.0' && address !== '::') {
    check(
      isIP(address) !== 0 || /^unix:[\x21-\x7e]{1,107}$/.test(address),
      'inbound_address: an IP address or unix:PATH',
    );
    return address;
  }
  check(isIP(peer) !== 0, 'inbound_address: needed when the control plane is not reached over TCP');
  return peer;
}

function parseHeld(hello: Hello__Output): Held {
  const resources = new Map<string, { key: ResourceKey__Output; version: string }>();
  for (const { key, version } of hello.resources) {
    if (key === null) throw new Refusal('INVALID_ARGUMENT', 'resources: each needs a key');
    resources.set(keyText(key), { key, version });
  }
  const endpoints = new Map<string, Map<string, { version: string }>>();
  const addresses = new Map<string, string>();
  for (const { service, id, version, localAddress } of hello.endpoints) {
    const key = parseService(service);
    const ids = endpoints.get(key) ?? new Map<string, { version: string }>();
    endpoints.set(key, ids);
    if (id !== '') ids.set(id, { version });
    if (localAddress !== '') addresses.set(key, localAddress);
  }
  const services = new Map<string, EndpointView>();
  for (const [key, byId] of endpoints) services.set(key, { generation: told, byId });
  return { scope: undefined, resources, services, addresses, roots: hello.rootsVersion };
}

function parseService(key: ServiceKey__Output | null): string {
  check(key !== null && isName(key.namespace) && isName(key.name), 'names of services and namespaces: one DNS label');
  return serviceKey(key?.namespace ?? '', key?.name ?? '');
}

function check(good: boolean, rule: string): void {
  if (!good) throw new Refusal('INVALID_ARGUMENT', rule);
}
