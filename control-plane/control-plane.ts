import type { Address } from '../lib/address.ts';
import type { ControlPlaneConfig } from './config.ts';
import { openKept, type Parts } from './kept.ts';
import type { Store } from './store/store.ts';
import { untilStore } from './until-store.ts';

export interface ControlPlane {
  /** Where sidecars connect; ports of 0 are replaced by those that were chosen. */
  readonly grpc: Address;
  /** Where people, the CLI and programs ask. */
  readonly api: Address;
  readonly store: Store;
  /** Stops taking requests, ends the streams, then closes what they used. */
  close(): Promise<void>;
}

/**
 * Starts a control plane. Resolves when sidecars and people are served, which is not before the store has been read: Consul
 * is waited for, until `signal` is given. Throws when a part cannot start, with nothing left running.
 */
export function startControlPlane(
  config: ControlPlaneConfig,
  { signal = new AbortController().signal, ...parts }: Parts & { readonly signal?: AbortSignal },
): Promise<ControlPlane> {
  const start = () => openAndServe(config, parts);
  return config.store.kind === 'consul' ? untilStore(start, { ...parts, signal }) : start();
}

async function openAndServe(config: ControlPlaneConfig, parts: Parts): Promise<ControlPlane> {
  const kept = await openKept(config, parts);
  // Not loaded before: it takes as long as the key of the CA takes on its thread, a third of a first start.
  const { serve } = await import('./serve.ts');
  return serve(kept, config, parts);
}
