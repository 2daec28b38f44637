import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Address } from '../../lib/address.ts';

/** As many as the C library asks. */
const most = 3;

export type Resolver = Extract<Address, { host: string }>;

/** The resolvers that a resolv.conf(5) names, but those of `without`, in order. Anything else in it is passed over. */
export function resolversIn(text: string, without: readonly Resolver[]): readonly Resolver[] {
  const found = text.split('\n').flatMap((line) => {
    const [, host = ''] = /^\s*nameserver\s+([0-9A-Fa-f:.]+(?:%[\w.-]+)?)/.exec(line) ?? [];
    return isIP(host) === 0 ? [] : [{ host, port: 53 }];
  });
  return found
    .filter(({ host, port }) => !without.some((own) => own.host === host && own.port === port))
    .slice(0, most);
}

/** The same of a file; none when there is no such file. */
export async function readResolvers(file: string, without: readonly Resolver[]): Promise<readonly Resolver[]> {
  const text = await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return '';
    throw thrown;
  });
  return resolversIn(text, without);
}
