import { isIP } from 'node:net';
import { isLoopback, parseAddress } from '../../lib/address.ts';
import type { Option } from '../../lib/options.ts';
import type { Resolver } from './resolv-conf.ts';

/** An IP address with a port; 53 where none is given. */
function parseResolver(text: string): Resolver | undefined {
  if (isIP(text) !== 0) return { host: text, port: 53 };
  const address = parseAddress(text);
  return address !== undefined && 'host' in address && isIP(address.host) !== 0 ? address : undefined;
}

const dns: Option<Resolver> = {
  describe: 'where to answer DNS for *.mesh; services are then found at their own addresses and ports',
  value: 'ADDRESS',
  expects: 'a loopback address, such as 127.0.0.1:53',
  parse(text) {
    const resolver = parseResolver(text);
    return resolver !== undefined && isLoopback(resolver) ? resolver : undefined;
  },
};

const forward: Option<readonly Resolver[]> = {
  describe: 'resolvers that are asked for all other names; those of /etc/resolv.conf unless given; none: nobody',
  value: 'ADDRESS,…',
  expects: 'IP addresses, with or without port, with commas between them, or none',
  parse(text) {
    if (text === 'none') return [];
    const list = text.split(',').map((one) => parseResolver(one.trim()));
    return list.every((one) => one !== undefined) ? list : undefined;
  },
};

/** The settings of names on loopback. */
export const namesOptions = { dns, 'dns-forward': forward };
