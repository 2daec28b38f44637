import { meshTarget, type Resource, type Target } from './resource.ts';

/** What a policy names in `targetRefs`, after parsing. A missing namespace is the policy's own. */
interface TargetRef {
  readonly kind: 'Mesh' | 'Namespace' | 'Service' | 'HTTPRoute';
  readonly group?: string;
  readonly name?: string;
  readonly namespace?: string;
}

/** The part of the spec that every policy has. */
export interface Targeted {
  readonly targetRefs: readonly TargetRef[];
}

/** The targets of a policy, with the path of each mention. */
export function policyTargets(resource: Resource): readonly (Target & { readonly path: string })[] {
  const own = resource.metadata.namespace;
  const { targetRefs } = resource.spec as Targeted;
  return targetRefs.map((ref, i) => {
    const path = `spec.targetRefs[${i}]`;
    if (ref.kind === 'Mesh') return { ...meshTarget, path };
    if (ref.kind === 'Namespace') return { kind: 'Namespace', namespace: '', name: ref.name ?? own, path };
    const kind = ref.kind === 'HTTPRoute' ? 'Route' : ref.kind;
    return { kind, namespace: ref.namespace ?? own, name: ref.name ?? '', path };
  });
}
