import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Rig } from '../rig.ts';

/** What the generator is told, as one JSON argument. */
export interface HoldOrder {
  readonly port: number;
  readonly connections: number;
  /** How long they stay idle. */
  readonly holdMs: number;
}

/** What the generator prints: one line when all have asked once, one when all have asked again. */
export interface HoldReport {
  readonly answered: number;
  readonly tookMs: number;
  readonly problems: readonly string[];
}

/** Time for the proxy to become idle before `whileIdle` looks at it. */
const settleMs = 3000;

/**
 * Opens connections, asks once on each, leaves them idle and then asks again on each, so that none has been closed
 * meanwhile. Gives what `whileIdle` gives, and the report about the first questions with the problems of both.
 */
export async function hold<T>(
  rig: Rig,
  { port, connections, limitS }: { readonly port: number; readonly connections: number; readonly limitS: number },
  whileIdle: () => T,
): Promise<{ readonly seen: T; readonly report: HoldReport }> {
  const order: HoldOrder = { port, connections, holdMs: settleMs + 2000 };
  const args = [fileURLToPath(new URL('./hold-client.ts', import.meta.url)), JSON.stringify(order)];
  const reports: HoldReport[] = [];
  const { promise: idle, resolve: becameIdle } = Promise.withResolvers<void>();
  const ended = rig.run(process.execPath, args, 'load', limitS, (line) => {
    reports.push(JSON.parse(line) as HoldReport);
    becameIdle();
  });
  await Promise.race([idle, ended]);
  await Promise.race([delay(settleMs), ended]);
  const seen = whileIdle();
  await ended;
  const [first, second] = reports;
  if (first === undefined || second === undefined) throw new Error('the connections were not reported about');
  return { seen, report: { ...first, problems: [...first.problems, ...second.problems] } };
}
