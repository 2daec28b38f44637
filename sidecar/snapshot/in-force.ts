import type { Inputs } from './inputs.ts';

/** Which configuration the data plane runs. */
export interface InForce {
  readonly revision: number;
  /** False until there was a configuration. */
  readonly ready: boolean;
  /** Why it is not ready, where that is not for want of a configuration. */
  readonly problem?: string;
  /** Where services are on loopback, by `namespace/name`. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Services that the control plane says do not exist. */
  readonly absent: ReadonlySet<string>;
}

/** What is in force where these inputs are; undefined: none are yet. */
export const inForceOf = (inputs: Inputs | undefined): InForce => ({
  revision: inputs?.revision ?? 0,
  ready: inputs !== undefined,
  addresses: inputs?.addresses ?? new Map(),
  absent: inputs?.absent ?? new Set(),
});
