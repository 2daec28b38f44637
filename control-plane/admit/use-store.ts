import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import type { ApplyReply } from '../../proto/api/api.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store } from '../store/store.ts';
import { admit, type ChangeRequest } from './admit.ts';
import { type Catalog, loadCatalog } from './catalog.ts';

/** For tests: an empty store and the real kinds, anew for each test of the file that calls it. */
export function useStore() {
  const at = {
    store: undefined as unknown as Store,
    catalog: undefined as unknown as Catalog,
    /** What the registry knows, as `namespace/name`. */
    registered: new Set<string>(),
    change: (resources: readonly unknown[], more: Partial<ChangeRequest> = {}): Promise<ApplyReply> =>
      admit(
        at.store,
        at.catalog,
        { resources, delete: [], message: '', author: 'ann', dryRun: false, ...more },
        { knowsService: (name) => at.registered.has(name), clock: systemClock },
      ),
  };
  let dir: string;
  beforeAll(async () => {
    at.catalog = await loadCatalog();
  });
  beforeEach(async () => {
    at.registered.clear();
    dir = await mkdtemp(join(tmpdir(), 'weft-admit-'));
    at.store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLog });
  });
  afterEach(async () => {
    await at.store.close();
    await rm(dir, { recursive: true });
  });
  return at;
}
