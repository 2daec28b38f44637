import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { ask } from '../harness/load.ts';

/** Where the shop's entrance to the mesh is published. */
const shop = '127.0.0.1:8080';

export interface Traffic {
  readonly requests: number;
  /** What was not answered with 200: when, and what came instead. */
  readonly failures: readonly string[];
  /** Waits for what is under way. Throws when a request failed; `lenient` where some may. */
  end(lenient?: 'lenient'): Promise<void>;
}

/** One request to the shop, as a browser would send it. */
export const visit = (headers: Readonly<Record<string, string>> = {}): ReturnType<typeof ask> =>
  ask({ at: shop, host: shop, headers: { 'idempotency-key': randomUUID(), ...headers } });

/** Asks the shop for its page, steadily, whatever becomes of the answers. */
export function startTraffic(perSecond = 10): Traffic {
  const agent = new Agent({ keepAlive: true });
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  let requests = 0;
  const one = async (): Promise<void> => {
    const at = new Date().toISOString().slice(11, 23);
    requests++;
    try {
      const answer = await ask({ at: shop, host: shop, headers: { 'idempotency-key': randomUUID() }, agent });
      const { status, headers, body } = answer;
      if (status !== 200) failures.push(`${at} ${status} ${headers['weft-error'] ?? ''} ${body.trim().slice(0, 300)}`);
    } catch (error) {
      failures.push(`${at} ${(error as Error).message}`);
    }
  };
  const timer = setInterval(() => {
    const asking = one().finally(() => underWay.delete(asking));
    underWay.add(asking);
  }, 1000 / perSecond);
  return {
    get requests() {
      return requests;
    },
    failures,
    async end(lenient) {
      clearInterval(timer);
      await Promise.all(underWay);
      agent.destroy();
      if (requests === 0) throw new Error('no request was sent');
      if (failures.length > 0 && lenient === undefined)
        throw new Error(`${failures.length} of ${requests} requests failed:\n${failures.slice(0, 10).join('\n')}`);
    },
  };
}
