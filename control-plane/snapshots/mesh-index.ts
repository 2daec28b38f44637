import { canonicalJson, contentHash } from '../../lib/canonical.ts';
import type { KindSchema } from '../../policies/policy.ts';
import { keyOf, keyText, meshTarget, type Resource, type ResourceKey, serviceKey } from '../../policies/resource.ts';
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
}

/** The resources of the mesh, found by what they are attached to. Kept up to date mutation by mutation. */
export class MeshIndex {
  readonly #kinds: ReadonlyMap<string, KindSchema>;
  readonly #resources = new Map<string, IndexedResource>();
  readonly #attached = new Map<Topic, Set<string>>();

  constructor(kinds: ReadonlyMap<string, KindSchema>, state?: State) {
    this.#kinds = kinds;
    for (const resource of state?.resources.values() ?? []) this.#put(resource);
  }

  /** Applies one mutation. Gives every topic that the resource was or is attached to: whoever hears of those is affected. */
  apply(mutation: Mutation): ReadonlySet<Topic> {
    const text = keyText(mutation.op === 'put' ? keyOf(mutation.resource) : mutation.key);
    const affected = new Set(this.#resources.get(text)?.topics);
    this.#remove(text);
    if (mutation.op === 'put') for (const topic of this.#put(mutation.resource).topics) affected.add(topic);
    return affected;
  }

  get(key: string): IndexedResource | undefined {
    return this.#resources.get(key);
  }

  /** Keys of what is attached to a topic. */
  attached(topic: Topic): Iterable<string> {
    return this.#attached.get(topic) ?? [];
  }

  /** True when the service has a resource of its own. */
  declares(service: string): boolean {
    return this.#resources.has(serviceTopic(service));
  }

  #put(resource: Resource): IndexedResource {
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

/** Mesh and Namespace targets may carry a namespace of no meaning. */
function targetTopic(target: { readonly kind: string; readonly namespace: string; readonly name: string }): Topic {
  if (target.kind === 'Mesh') return meshTopic;
  if (target.kind === 'Namespace') return namespaceTopic(target.name);
  return topicOf(target);
}
