import { parseSpiffe } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { Caller } from './server.ts';

/** Judges a connection before anything of it reaches the app: undefined lets it in, a text is the reason why not. */
export type ConnectionFilter = (caller: Caller) => string | undefined;

/**
 * What this sidecar is set to. `strict`: callers must have proved who they are, whatever the listener took. `allowed`:
 * services as `namespace/name` that may connect; undefined: whoever is of the mesh.
 */
export function connectionFilter(strict: boolean, allowed: readonly string[] | undefined): ConnectionFilter {
  const names = allowed && new Set(allowed);
  return ({ peer }) => {
    const id = parseSpiffe(peer);
    if (id === undefined && (strict || names !== undefined)) return 'the caller has not proved who it is';
    if (id === undefined || names === undefined) return undefined;
    const name = serviceKey(id.namespace, id.service);
    return names.has(name) ? undefined : `${name} is not among those that may connect`;
  };
}
