import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { Sealers } from './ca/sealed.ts';
import { loadSecret } from './ca/secret.ts';
import { caKey, decodeState, saltOf } from './ca/state.ts';
import type { ControlPlaneConfig } from './config.ts';
import type { Store } from './store/store.ts';

export interface Parts {
  readonly clock: Clock;
  readonly log: Log;
}

/** What outlives a control plane: the log of all revisions with the vault beside it, and what opens the CA in that. */
export interface Kept {
  readonly store: Store;
  readonly sealers: Sealers;
  close(): Promise<void>;
}

/**
 * Opens it, and begins to derive the key of the CA, on a thread of its own, for whoever opens the CA next. Throws what the
 * store, the secret and a CA that is not ours throw, with nothing left open.
 */
export async function openKept(config: ControlPlaneConfig, parts: Parts): Promise<Kept> {
  const store = await openStore(config, parts);
  try {
    const { stateDir, caKeyFile } = config;
    const sealers = new Sealers(
      await loadSecret({ stateDir, ...(caKeyFile === undefined ? {} : { file: caKeyFile }) }),
    );
    const entry = await store.vault.get(caKey);
    void sealers.of(entry === undefined ? sealers.newSalt : saltOf(decodeState(entry.value)));
    return { store, sealers, close: () => store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Only the store that is asked for is loaded. */
async function openStore({ store, stateDir }: ControlPlaneConfig, parts: Parts): Promise<Store> {
  if (store.kind === 'embedded')
    return (await import('./store/embedded.ts')).openEmbeddedStore({ dir: stateDir, ...parts });
  return (await import('./store/consul.ts')).openConsulStore({ ...store, ...parts });
}
