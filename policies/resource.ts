/** The envelope that every resource has, as on Kubernetes. `spec` is the normalised form once it has been parsed. */
export interface Resource<Spec = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
}

export interface Metadata {
  readonly name: string;
  /** `default` where the user gave none. */
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ResourceKey {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** What a policy can be attached to. Mesh has neither namespace nor name; Namespace has a name only. */
export interface Target {
  readonly kind: 'Mesh' | 'Namespace' | 'Service' | 'Route';
  readonly namespace: string;
  readonly name: string;
}

export const meshTarget: Target = { kind: 'Mesh', namespace: '', name: '' };

/** Names of services are unique within a namespace; this is the form used as a key in maps: `namespace/name`. */
export const serviceKey = (namespace: string, name: string): string => `${namespace}/${name}`;

/** `Kind namespace/name`: how people see a resource in diffs, messages and logs; also the key of maps. */
export const keyText = (key: ResourceKey): string => `${key.kind} ${key.namespace}/${key.name}`;

export const keyOf = (resource: Resource): ResourceKey => ({
  kind: resource.kind,
  namespace: resource.metadata.namespace,
  name: resource.metadata.name,
});
