import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { replay } from './format.ts';
import type { Revision, State } from './store.ts';

type Watcher = (state: State, revision: Revision) => void;

/** The end of the log as this process knows it, and who wants to hear of what comes after. */
export class Feed {
  #state: State;
  readonly #log: Log;
  readonly #watchers = new Set<Watcher>();
  readonly #untold: { readonly state: State; readonly revision: Revision }[] = [];
  #telling = false;

  constructor(state: State, log: Log) {
    this.#state = state;
    this.#log = log;
  }

  get current(): State {
    return this.#state;
  }

  /** Moves on by one revision, and tells everybody. Throws StoreError CORRUPT when it is not the next one. */
  publish(revision: Revision): void {
    this.#state = replay(this.#state, [revision]);
    this.#untold.push({ state: this.#state, revision });
    // A watcher may append: what it publishes waits until everybody has heard of the revision before.
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      for (const watcher of [...this.#watchers]) this.#tell(watcher, next.state, next.revision);
    }
    this.#telling = false;
  }

  subscribe(watcher: Watcher): () => void {
    // Its own function, so that the same watcher subscribed twice is two subscriptions.
    const own: Watcher = (state, revision) => watcher(state, revision);
    this.#watchers.add(own);
    return () => void this.#watchers.delete(own);
  }

  #tell(watcher: Watcher, state: State, revision: Revision): void {
    try {
      watcher(state, revision);
    } catch (thrown) {
      // The revision is in the log: a watcher that fails must not make it look refused.
      this.#log.error('store.watcher_failed', { revision: revision.revision, reason: messageOf(thrown) });
    }
  }
}
