import type { Store } from '../../control-plane/store/store.ts';
import { put, resource } from '../../control-plane/store/store-contract.ts';

/** Appends `count` resources; what others do in between, and an outage that is just ending, are no reasons to stop. */
export async function appendMany(store: Store, count: number, name: string): Promise<void> {
  for (let n = 0; n < count; ) {
    try {
      await store.append(store.current().revision, put(resource(`${name}${n}`)));
      n += 1;
    } catch (thrown) {
      const { code } = thrown as { code?: string };
      if (code === 'UNAVAILABLE') await new Promise((resolve) => setTimeout(resolve, 50));
      else if (code !== 'CONFLICT' && code !== 'UNCERTAIN') throw thrown;
    }
  }
}
