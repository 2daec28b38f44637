import { setTimeout as sleep } from 'node:timers/promises';
import { parseDuration } from '../lib/duration.ts';
import { type ApiProxy, convergenceSchema, proxiesReplySchema } from '../proto/api/api.ts';
import type { Context } from './context.ts';
import { exit, Failure } from './failure.ts';
import { issueLine } from './format/issue.ts';
import { age, count } from './format/numbers.ts';
import { plain, withProgress } from './terminal.ts';

export const waitOption = '--wait [duration]';
export const waitText = 'return when every concerned sidecar runs it (default 30s)';
const pollMs = 150;

/** Milliseconds of `--wait`; undefined without it. Throws Failure. */
export function waitMs(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const ms = parseDuration(given);
  if (ms === undefined) throw new Failure(exit.usage, `--wait: '${given}' is not a duration such as 30s`);
  return ms;
}

/** Waits until every sidecar that the revision concerns runs it. Throws Failure that names those that do not, and why. */
export async function waitForSidecars(context: Context, revision: number, ms: number): Promise<void> {
  const end = Date.now() + ms;
  let waiting: readonly ApiProxy[] = [];
  const late = new Set<string>();
  /** Those that were waited for and are gone: that they ran it is not known, and they may come back with the old one. */
  const lost = async (): Promise<readonly ApiProxy[]> => {
    if (late.size === 0) return [];
    const { proxies } = await context.client.get('/v1/proxies', proxiesReplySchema);
    return proxies.filter((proxy) => !proxy.connected && proxy.revision < revision && late.has(nameOf(proxy)));
  };
  const converge = async (): Promise<boolean> => {
    for (;;) {
      const found = await context.client.get('/v1/convergence', convergenceSchema, { revision });
      for (const proxy of found.waiting) late.add(nameOf(proxy));
      waiting = [...found.waiting, ...(await lost())];
      if (found.converged && waiting.length === 0) return true;
      // Who said no will not change its mind about this revision.
      const open = waiting.some(({ state }) => state !== 'rejected');
      if (!open || Date.now() + pollMs > end) return false;
      await sleep(pollMs);
    }
  };
  const doing = () => `waiting for ${waiting.map(({ instance }) => instance).join(', ') || 'the sidecars'}`;
  if (await withProgress(context.terminal, doing, converge())) return;
  throw new Failure(
    exit.no,
    `revision ${revision} is applied, but ${count(waiting.length, 'sidecar does', 'sidecars do')} not run it:\n${waiting.map(why).join('\n')}`,
  );
}

const nameOf = ({ namespace, service, instance }: ApiProxy): string => `${namespace}/${service} ${instance}`;

/** One sidecar that does not run what it should. */
function why(proxy: ApiProxy): string {
  const name = `  ${nameOf(proxy)}`;
  if (proxy.state === 'rejected')
    return plain(
      [
        `${name} refused it and keeps revision ${proxy.revision}:`,
        ...proxy.problems.map((issue) => `    ${issueLine(issue)}`),
      ].join('\n'),
    );
  if (proxy.state === 'disconnected') return plain(`${name} is not connected, last seen ${age(proxy.since)} ago`);
  return plain(`${name} has not answered yet; it runs revision ${proxy.revision}`);
}
