import { DONE, type Exchange, type Filter, type Outcome, type Verdict } from '../../policies/policy.ts';

type Present<K extends keyof Filter> = NonNullable<Filter[K]>;

/** The filters of one rule, flattened when the snapshot is compiled. A request allocates nothing here. */
export class Chain {
  // null, not []: most rules have no hook of most sorts, and that costs one comparison.
  readonly #onRequest: readonly Present<'onRequest'>[] | null;
  readonly #afterAttempt: readonly Present<'afterAttempt'>[] | null;
  readonly #onResponse: readonly Present<'onResponse'>[] | null;
  readonly #onEnd: readonly Present<'onEnd'>[] | null;

  constructor(filters: readonly Filter[]) {
    const hooks = <K extends keyof Filter>(name: K): readonly Present<K>[] | null => {
      const found = filters.flatMap((filter) => (filter[name] as Present<K> | undefined) ?? []);
      return found.length > 0 ? found : null;
    };
    this.#onRequest = hooks('onRequest');
    this.#afterAttempt = hooks('afterAttempt');
    this.#onResponse = hooks('onResponse');
    this.#onEnd = hooks('onEnd');
  }

  get retries(): boolean {
    return this.#afterAttempt !== null;
  }

  /** Runs until a hook replies. Synchronous unless a hook returns a promise. */
  request(ex: Exchange, from = 0): Verdict | Promise<Verdict> {
    const hooks = this.#onRequest;
    if (hooks === null) return undefined;
    for (let i = from; i < hooks.length; i++) {
      const verdict = hooks[i]!(ex);
      if (verdict === undefined) continue;
      if (!('then' in verdict)) return verdict;
      return verdict.then((late) => late ?? this.request(ex, i + 1));
    }
    return undefined;
  }

  /** Milliseconds until another attempt, or DONE. */
  afterAttempt(ex: Exchange, outcome: Outcome): number {
    const hooks = this.#afterAttempt;
    if (hooks === null) return DONE;
    for (let i = 0; i < hooks.length; i++) {
      const wait = hooks[i]!(ex, outcome);
      if (wait !== DONE) return wait;
    }
    return DONE;
  }

  /** In reverse, so that what wrapped the request first wraps the response last. */
  response(ex: Exchange): void {
    const hooks = this.#onResponse;
    if (hooks === null) return;
    for (let i = hooks.length - 1; i >= 0; i--) hooks[i]!(ex);
  }

  end(ex: Exchange): void {
    const hooks = this.#onEnd;
    if (hooks === null) return;
    for (let i = hooks.length - 1; i >= 0; i--) hooks[i]!(ex);
  }
}
