import { isServiceAddress } from '../../lib/service-address.ts';
import { keyText, type ResourceKey, serviceKey } from '../../policies/resource.ts';
import type { Endpoint__Output } from '../../proto/gen/weft/v1/Endpoint.ts';
import type { EndpointChange__Output } from '../../proto/gen/weft/v1/EndpointChange.ts';
import type { Push__Output } from '../../proto/gen/weft/v1/Push.ts';
import type { Resource__Output } from '../../proto/gen/weft/v1/Resource.ts';
import type { ServiceKey__Output } from '../../proto/gen/weft/v1/ServiceKey.ts';
import type { EndpointSpec, HeldResource, Inputs } from './inputs.ts';

/** What a sidecar has that was told nothing yet. */
export const noInputs: Inputs = {
  revision: 0,
  resources: new Map(),
  endpoints: new Map(),
  addresses: new Map(),
  absent: new Set(),
};

/** Why a push cannot be used. */
export interface PushProblem {
  readonly key?: ResourceKey;
  readonly path: string;
  readonly message: string;
}

/**
 * The inputs after a push, or every reason why it makes no sense. What the push does not touch is shared with `before`,
 * which stays as it is.
 */
export function applyPush(
  before: Inputs,
  push: Push__Output,
): { readonly inputs: Inputs } | { readonly problems: readonly PushProblem[] } {
  const base = push.full ? noInputs : before;
  const problems: PushProblem[] = [];
  const resources = applyResources(base.resources, push, problems);
  const absent = new Set(push.absent.map(nameOf));
  const endpoints = applyEndpoints(base.endpoints, push.endpoints, absent, problems);
  const addresses = applyAddresses(base.addresses, push.endpoints, absent, problems);
  if (push.absent.some((service) => nameOf(service) === '')) problems.push({ path: 'absent', message: 'has no name' });
  if (problems.length > 0) return { problems };
  return { inputs: { revision: push.revision, resources, endpoints, addresses, absent } };
}

function applyResources(before: Inputs['resources'], push: Push__Output, problems: PushProblem[]): Inputs['resources'] {
  if (push.resources.length + push.removed.length === 0) return before;
  const after = new Map(before);
  for (const key of push.removed) after.delete(keyText(key));
  for (const resource of push.resources) {
    const held = parseResource(resource, problems);
    if (held !== undefined) after.set(keyText(held.key), held);
  }
  return after;
}

function parseResource({ key, version, spec }: Resource__Output, problems: PushProblem[]): HeldResource | undefined {
  if (key === null || key.kind === '' || key.name === '') {
    problems.push({ path: 'key', message: 'a resource without kind and name' });
    return undefined;
  }
  try {
    return { key, version, spec: JSON.parse(spec.toString()) };
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    problems.push({ key, path: 'spec', message: `is not JSON: ${thrown.message}` });
    return undefined;
  }
}

function applyEndpoints(
  before: Inputs['endpoints'],
  changes: readonly EndpointChange__Output[],
  absent: ReadonlySet<string>,
  problems: PushProblem[],
): Inputs['endpoints'] {
  const gone = [...absent].filter((service) => before.has(service));
  if (changes.length + gone.length === 0) return before;
  const after = new Map(before);
  for (const service of gone) after.delete(service);
  for (const { service, added, removed, dropped } of changes) {
    const name = nameOf(service);
    if (name === '') problems.push({ path: 'endpoints', message: 'of a service without a name' });
    if (dropped) {
      after.delete(name);
      continue;
    }
    if (after.has(name) && added.length + removed.length === 0) continue;
    const byId = new Map(after.get(name));
    for (const id of removed) byId.delete(id);
    for (const endpoint of added) {
      const wrong = wrongWith(endpoint);
      if (wrong === undefined) byId.set(endpoint.id, endpointSpec(endpoint));
      else problems.push({ path: `endpoints ${name} ${endpoint.id}`, message: wrong });
    }
    after.set(name, byId);
  }
  return after;
}

function applyAddresses(
  before: Inputs['addresses'],
  changes: readonly EndpointChange__Output[],
  absent: ReadonlySet<string>,
  problems: PushProblem[],
): Inputs['addresses'] {
  const gone = [...absent, ...changes.filter(({ dropped }) => dropped).map(({ service }) => nameOf(service))];
  const told = changes.filter(({ localAddress, dropped }) => localAddress !== '' && !dropped);
  if (told.length === 0 && !gone.some((service) => before.has(service))) return before;
  const after = new Map(before);
  for (const service of gone) after.delete(service);
  for (const { service, localAddress } of told) {
    const name = nameOf(service);
    // It becomes an address to listen at: never one that others can reach, or that is somebody else's.
    if (isServiceAddress(localAddress)) after.set(name, localAddress);
    else problems.push({ path: `endpoints ${name} local_address`, message: `${localAddress} is not in 127.128.0.0/9` });
  }
  return after;
}

function wrongWith({ id, address, port }: Endpoint__Output): string | undefined {
  if (id === '') return 'has no id';
  if (address === '') return 'has no address';
  return port > 65535 || (port === 0 && !address.startsWith('unix:')) ? `${port} is no port` : undefined;
}

const endpointSpec = ({ id, address, port, weight, identity, locality, version }: Endpoint__Output): EndpointSpec => ({
  id,
  address,
  port,
  weight,
  identity,
  locality,
  version,
});

const nameOf = (key: ServiceKey__Output | null): string =>
  key === null || key.name === '' ? '' : serviceKey(key.namespace, key.name);
