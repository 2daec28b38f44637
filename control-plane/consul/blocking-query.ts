import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Answer, Read } from './client.ts';
import { pause } from './pause.ts';

/** How long Consul holds a query before it answers that nothing is new; also bounds how late an outage is noticed. */
const waitMs = 10_000;
/** Pause between two queries, so that a flood of changes is taken in few answers. */
const spacingMs = 20;
const backoffMs = { first: 100, most: 5000 };

export interface BlockingQueryOptions<T> {
  readonly ask: (read: Read) => Promise<Answer<T>>;
  /** `rewound`: the index went backwards, so what was known may be of another life of Consul. What it throws is a failure. */
  readonly answered: (value: T, rewound: boolean) => void | Promise<void>;
  readonly failed: (thrown: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
}

export interface BlockingQuery {
  /** Asks again at once, instead of waiting for the answer or for the end of a pause. */
  poke(): void;
  close(): Promise<void>;
}

/**
 * Asks Consul for ever, each time for what is newer than the last answer. After a failure it waits (full jitter) and asks
 * for everything anew. https://developer.hashicorp.com/consul/api-docs/features/blocking
 */
export function startBlockingQuery<T>(options: BlockingQueryOptions<T>): BlockingQuery {
  const { ask, answered, failed, clock, random } = options;
  let closed = false;
  let current = new AbortController();

  const run = async (): Promise<void> => {
    let index = 0;
    let failures = 0;
    while (!closed) {
      current = new AbortController();
      const { signal } = current;
      let delay = spacingMs;
      try {
        const answer = await ask(index === 0 ? { signal } : { index, waitMs, signal });
        if (closed) return;
        const rewound = answer.index < index;
        await answered(answer.value, rewound);
        index = rewound ? 0 : answer.index;
        failures = 0;
      } catch (thrown) {
        if (closed) return;
        index = 0;
        delay = random.unit() * Math.min(backoffMs.most, backoffMs.first * 2 ** failures);
        failures = Math.min(failures + 1, 16);
        failed(thrown);
      }
      await pause(clock, delay, signal);
    }
  };
  const running = run();

  return {
    poke: () => current.abort(),
    close() {
      closed = true;
      current.abort();
      return running;
    },
  };
}
