import { canonicalJson, contentHash } from '../../lib/canonical.ts';
import type { KindSchema } from '../../policies/policy.ts';
import { keyOf, keyText, meshTarget, type Resource, type ResourceKey, serviceKey } from '../../policies/resource.ts';
import type { Declared } from '../registry/registry.ts';
import type { Mutation, State } from '../store/store.ts';

/** A resource as it goes on the wire: encoded once, the octets shared by all sidecars that get it. */
export interface EncodedResource {
  readonly key: ResourceKey;
  /** Content hash of `spec`. */
  readonly version: string;
  /** Canonical JSON of the normalised spec. */
  readonly spec: Uint8Array;
}

/** What something can be attached to, as a key of maps. */
export type Topic = string;

export const topicOf = (target: { readonly kind: string; readonly namespace: string; readonly name: string }): Topic =>
  `${target.kind} ${target.namespace}/${target.name}`;
export const meshTopic: Topic = topicOf(meshTarget);
export const namespaceTopic = (namespace: string): Topic =>
  topicOf({ kind: 'Namespace', namespace: '', name: namespace });
export const serviceTopic = (service: string): Topic => `Service ${service}`;

/** A resource with the two things that decide whose it is. */
export interface IndexedResource {
  readonly encoded: EncodedResource;
  readonly topics: readonly Topic[];
  /** Services that it sends traffic to, as `namespace/name`; undefined for kinds that send none. */
  readonly backends: readonly string[] | undefined;
  /** For the sidecars of what it is attached to, and not for those that call them. */
  readonly besideOnly: boolean;
  /** It stands for a service that has joined without a resource. */
  readonly joined: boolean;
}

/** The resources of the mesh, found by what they are attached to. Kept up to date mutation by mutation. */
export class MeshIndex {
  readonly #kinds: ReadonlyMap<string, KindSchema>;
  readonly #resources = new Map<string, IndexedResource>();
  readonly #attached = new Map<Topic, Set<string>>();
  /** Services that have joined, as resources, by key. One in the log stands before the one of its name here. */
  readonly #joined = new Map<string, { readonly declared: Declared; readonly resource: Resource }>();

  constructor(kinds: ReadonlyMap<string, KindSchema>, state?: State) {
    this.#kinds = kinds;
    for (const resource of state?.resources.values() ?? []) this.#put(resource);
  }

  /** Applies one mutation. Gives every topic that the resource was or is attached to: whoever hears of those is affected. */
  apply(mutation: Mutation): ReadonlySet<Topic> {
    const text = keyText(mutation.op === 'put' ? keyOf(mutation.resource) : mutation.key);
    const affected = new Set(this.#resources.get(text)?.topics);
    this.#remove(text);
    const joined = this.#joined.get(text);
    if (mutation.op === 'put') for (const topic of this.#put(mutation.resource).topics) affected.add(topic);
    else if (joined !== undefined) this.#put(joined.resource, true);
    return affected;
  }

  /** What a service (`namespace/name`) says that has joined; undefined: it is forgotten. Gives topics as `apply` does. */
  join(service: string, declared: Declared | undefined): ReadonlySet<Topic> {
    const text = serviceTopic(service);
    const known = this.#joined.get(text)?.declared;
    if (known?.port === declared?.port && known?.protocol === declared?.protocol) return new Set();
    const before = this.#resources.get(text);
    const resource = declared && joinedService(service, declared);
    if (declared === undefined || resource === undefined) this.#joined.delete(text);
    else this.#joined.set(text, { declared, resource });
    if (before !== undefined && !before.joined) return new Set();
    this.#remove(text);
    return new Set([...(before?.topics ?? []), ...(resource === undefined ? [] : this.#put(resource, true).topics)]);
  }

  get(key: string): IndexedResource | undefined {
    return this.#resources.get(key);
  }

  /** Keys of what is attached to a topic. */
  attached(topic: Topic): Iterable<string> {
    return this.#attached.get(topic) ?? [];
  }

  /** True when the service has a resource of its own, or has joined. */
  declares(service: string): boolean {
    return this.#resources.has(serviceTopic(service));
  }

  #put(resource: Resource, joined = false): IndexedResource {
    const key = keyOf(resource);
    const text = keyText(key);
    const kind = this.#kinds.get(resource.kind);
    const json = canonicalJson(resource.spec);
    const entry: IndexedResource = {
      encoded: { key, version: contentHash(json), spec: Buffer.from(json) },
      // A kind that this version does not know (the log was written by a later one) goes to everybody: sidecars refuse it
      // aloud and keep what they run, while leaving it out would quietly lift a policy.
      topics: kind === undefined ? [meshTopic] : [...new Set(kind.attaches(resource).map(targetTopic))],
      besideOnly: kind?.besideOnly ?? false,
      joined,
      backends: kind?.backends?.(resource).map((backend) => serviceKey(backend.key.namespace, backend.key.name)),
    };
    this.#resources.set(text, entry);
    for (const topic of entry.topics) {
      const keys = this.#attached.get(topic);
      if (keys === undefined) this.#attached.set(topic, new Set([text]));
      else keys.add(text);
    }
    return entry;
  }

  #remove(text: string): void {
    for (const topic of this.#resources.get(text)?.topics ?? []) {
      const keys = this.#attached.get(topic);
      keys?.delete(text);
      if (keys?.size === 0) this.#attached.delete(topic);
    }
    this.#resources.delete(text);
  }
}

/** A service as its resource would say it. Its protocol is left out where nobody has said any. */
function joinedService(service: string, { port, protocol }: Declared): Resource {
  const [namespace = '', name = ''] = service.split('/');
  const spec = { ports: [{ port, ...(protocol === '' ? {} : { protocol }) }], endpoints: [] };
  return { apiVersion: 'weft.dev/v1', kind: 'Service', metadata: { namespace, name }, spec };
}

/** Mesh and Namespace targets may carry a namespace of no meaning. */
function targetTopic(target: { readonly kind: string; readonly namespace: string; readonly name: string }): Topic {
  if (target.kind === 'Mesh') return meshTopic;
  if (target.kind === 'Namespace') return namespaceTopic(target.name);
  return topicOf(target);
}
