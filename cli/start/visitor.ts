import { randomUUID } from 'node:crypto';
import { Agent, type IncomingMessage, request } from 'node:http';
import { messageOf } from '../../lib/errors.ts';
import { bucketCount, bucketOf, quantileUs } from '../../lib/latency.ts';

/** What became of the requests so far. */
export interface Visits {
  readonly requests: number;
  readonly failures: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What went wrong, and how often; the first few kinds. */
  readonly reasons: ReadonlyMap<string, number>;
}

export interface Visitor {
  visits(): Visits;
  /** Sends no more and waits for the answers that are due. */
  close(): Promise<void>;
}

const timeoutMs = 15_000;
const maxInFlight = 256;
const maxReasons = 10;

/**
 * Asks for the page of a service, at a steady rate, as an app beside this sidecar would. Resolves after the first answer:
 * with it every service on the way has heard of the next one.
 */
export async function startVisitor(options: {
  /** host:port of the sidecar's outbound listener. */
  readonly outbound: string;
  readonly service: string;
  readonly perSecond: number;
  readonly onFailure: (reason: string) => void;
}): Promise<Visitor> {
  const [host, port] = options.outbound.split(':');
  const agent = new Agent({ keepAlive: true });
  const buckets = new Array<number>(bucketCount).fill(0);
  const reasons = new Map<string, number>();
  let requests = 0;
  let failures = 0;
  const underWay = new Set<Promise<void>>();

  const fail = (reason: string): void => {
    failures++;
    if (reasons.has(reason) || reasons.size < maxReasons) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    options.onFailure(reason);
  };

  async function visit(): Promise<void> {
    const begin = performance.now();
    try {
      const response = await ask();
      const code = response.headers['weft-error'];
      for await (const _ of response);
      if (response.statusCode !== 200) fail(`status ${response.statusCode}${code === undefined ? '' : ` ${code}`}`);
    } catch (error) {
      fail(messageOf(error));
    }
    requests++;
    buckets[bucketOf((performance.now() - begin) * 1000)]!++;
  }

  const ask = (): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = { host: options.service, accept: 'application/json', 'idempotency-key': randomUUID() };
      const sent = request({ host, port, path: '/', headers, agent, timeout: timeoutMs }, resolve);
      sent.once('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000}s`)));
      sent.once('error', reject);
      sent.end();
    });

  await visit();
  const timer = setInterval(() => {
    if (underWay.size >= maxInFlight) return fail('too many requests wait for an answer');
    const visiting = visit().finally(() => underWay.delete(visiting));
    underWay.add(visiting);
  }, 1000 / options.perSecond);

  return {
    visits: () => ({
      requests,
      failures,
      p50Ms: quantileUs(buckets, 0.5) / 1000,
      p99Ms: quantileUs(buckets, 0.99) / 1000,
      reasons,
    }),
    async close() {
      clearInterval(timer);
      await Promise.all(underWay);
      agent.destroy();
    },
  };
}
