import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Address } from '../../lib/address.ts';

/** Why a request is refused, for the problem that is answered. */
export interface Refusal {
  readonly code: 'HOST_NOT_ALLOWED' | 'ORIGIN_NOT_ALLOWED';
  readonly detail: string;
}

/**
 * Keeps web pages away from the admin port, which has no login: the browser of whoever works on this machine can reach
 * it. A page that points its own name here (DNS rebinding) is known by that name in Host; one that posts across
 * origins (CSRF), by Origin. Neither can be done over a unix-domain socket.
 */
export function refusalOf(request: IncomingMessage, listening: Address): Refusal | undefined {
  if ('path' in listening) return undefined;
  const { host, origin } = request.headers;
  const name = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::[0-9]{1,5})?$/.exec(host?.toLowerCase() ?? '');
  const bare = name?.[1] ?? name?.[2] ?? '';
  if (isIP(bare) === 0 && bare !== 'localhost' && bare !== listening.host.toLowerCase())
    return { code: 'HOST_NOT_ALLOWED', detail: 'ask by IP address or as localhost' };
  if (origin !== undefined && origin.toLowerCase() !== `http://${host?.toLowerCase()}`)
    return { code: 'ORIGIN_NOT_ALLOWED', detail: 'a page of another origin may not ask' };
  return undefined;
}
